# SPDX-License-Identifier: MIT
"""Makes the code under test importable, whichever directory pytest was started from."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
