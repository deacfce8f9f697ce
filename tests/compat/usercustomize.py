# SPDX-License-Identifier: MIT
"""Read by every Python below tests/compat/run: a directory on PYTHONPATH has no .pth files, pytest-cov needs its own."""
import os
import site

if os.path.isdir(os.environ.get("COMPAT_UNPACKED", "")):
    site.addsitedir(os.environ["COMPAT_UNPACKED"])
