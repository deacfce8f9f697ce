# SPDX-License-Identifier: MIT
"""Started as `python -I -S -B .../shunt_mark scan|mark ...`; sys.path[0] is this directory then."""
import os
import sys

if sys.version_info < (3, 8):
    sys.stderr.write("shunt: %s is Python %d.%d: scan and mark need 3.8 or later\n" % ((sys.executable,) + sys.version_info[:2]))
    sys.stderr.write("  name another one: --python=/usr/bin/python3\n")
    sys.exit(4)

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from shunt_mark.cli import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
