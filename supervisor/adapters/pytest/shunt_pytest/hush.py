# SPDX-License-Identifier: MIT
"""A cold worker collects as the first process did, and the user has seen its header already: what the worker's terminal
reporter writes is shown only where the worker ends before it has a suite."""
import io
import os
import sys
from typing import Any, Optional

import pytest


class Hush:
    """A plugin of the cold worker, from its session's start."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.kept: Optional[io.StringIO] = io.StringIO()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> None:
        writer = getattr(session.config.pluginmanager.getplugin("terminalreporter"), "_tw", None)
        if writer is not None:
            writer._file = self.kept

    def pytest_unconfigure(self) -> None:
        if self.kept is not None and os.getpid() == self.pid:
            sys.stdout.write(self.kept.getvalue())
            sys.stdout.flush()

    def forget(self) -> None:
        """The worker has a suite."""
        self.kept = None
