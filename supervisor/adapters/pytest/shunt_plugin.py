# SPDX-License-Identifier: MIT
"""The way in: loaded through PYTEST_PLUGINS by ``shunt run``. Without SHUNT_SOCKET in the environment it does nothing.

A module of its own, so that pytest rewrites the assertions of this file alone and imports the package as it was compiled.
"""
import os

if os.environ.get("SHUNT_SOCKET"):
    from shunt_pytest.entry import *  # noqa: F401,F403  (the hooks)
