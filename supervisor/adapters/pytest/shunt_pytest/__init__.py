# SPDX-License-Identifier: MIT
"""The pytest side of shunt: collects once, forks workers, shows judged results.

Loaded through PYTEST_PLUGINS by ``shunt run``. Without SHUNT_SOCKET in the environment it does nothing at all.
The protocol is described in shunt's docs/protocol.md.
"""
import os

if os.environ.get("SHUNT_SOCKET"):
    from .entry import *  # noqa: F401,F403  (the hooks)
