# SPDX-License-Identifier: MIT
"""Notices project code that wants to know its worker before there is one.

Under xdist each worker imports and configures for itself, so PYTEST_XDIST_WORKER is known then. A suite that is
collected once and forked knows it only later; code that reads it earlier would share databases and ports in silence.
"""
import os
import sys
import sysconfig
from typing import Any, Optional

import pytest

_LIBRARIES = tuple(
    os.path.realpath(p) + os.sep for p in {sysconfig.get_path(k) for k in ("stdlib", "platstdlib", "purelib", "platlib")} if p
) + (os.path.dirname(os.path.realpath(__file__)) + os.sep, "/usr/lib/python3/dist-packages/")


def _project_frame(depth: int) -> Optional[Any]:
    """The nearest frame outside of libraries, when no pytest plugin or library lies between: those know how to wait."""
    frame = sys._getframe(depth)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith("<frozen"):
            frame = frame.f_back
            continue
        path = os.path.realpath(file)
        if not path.startswith(_LIBRARIES):
            return frame if os.path.exists(path) else None
        if os.path.basename(path) not in ("os.py", "_collections_abc.py"):
            return None
        frame = frame.f_back
    return None


class EarlyReads:
    """Watches os.environ and config.workerinput until stop()."""

    def __init__(self) -> None:
        self.where: Optional[str] = None
        self._encode = os.environ.encodekey  # type: ignore[attr-defined]
        os.environ.encodekey = self._encodekey  # type: ignore[attr-defined]
        probe = self

        class WorkerInput:
            def __get__(self, instance: Any, owner: Any = None) -> Any:
                probe.note("config.workerinput", 2)
                raise AttributeError("workerinput")

        pytest.Config.workerinput = WorkerInput()  # type: ignore[attr-defined]

    def _encodekey(self, key: Any) -> Any:
        if isinstance(key, str) and key.startswith("PYTEST_XDIST_WORKER") and self.where is None:
            if sys._getframe(1).f_code.co_name == "__getitem__":
                self.note(key, 3)
        return self._encode(key)

    def note(self, what: str, depth: int) -> None:
        frame = _project_frame(depth) if self.where is None else None
        if frame is not None:
            self.where = f"{os.path.relpath(frame.f_code.co_filename)}:{frame.f_lineno} reads {what}"

    def stop(self) -> None:
        os.environ.encodekey = self._encode  # type: ignore[attr-defined]
        if "workerinput" in vars(pytest.Config):
            del pytest.Config.workerinput  # type: ignore[attr-defined]


class SeedWatch:
    """Did anybody seed `random` on purpose? Forked children are reseeded by CPython, which would undo it."""

    def __init__(self) -> None:
        import random

        self.seeded = False
        self._random = random
        self._seed, self._setstate = random.seed, random.setstate

        def seed(*args: Any, **kwargs: Any) -> None:
            self.seeded = self.seeded or bool(args or kwargs)
            self._seed(*args, **kwargs)

        def setstate(state: Any) -> None:
            self.seeded = True
            self._setstate(state)

        random.seed, random.setstate = seed, setstate  # type: ignore[assignment]

    def stop(self) -> Optional[Any]:
        """Takes itself out; the state to restore in each worker, or None."""
        self._random.seed, self._random.setstate = self._seed, self._setstate  # type: ignore[assignment]
        return self._random.getstate() if self.seeded else None
