# SPDX-License-Identifier: MIT
"""The black box: a page, shared with the supervisor and readable after SIGKILL, that says which source lines started
threads and processes during the current test. docs/protocol.md has its layout."""
import fcntl
import mmap
import os
import struct
import sys
import threading
from types import FrameType
from typing import Any, Dict, Optional, Tuple

F_ADD_SEALS, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 1, 2, 4  # linux/fcntl.h
SIZE = 4096
RECORD = 256
RECORDS = SIZE // RECORD - 1  # the first place holds the number of records
TEXT = RECORD - 8

_LIBRARY = ("site-packages", "dist-packages")


def _family(name: str) -> str:
    """"ThreadPoolExecutor-0_17" is one of "ThreadPoolExecutor-0", "Thread-5 (work)" one of "Thread (work)"."""
    if name.startswith("Thread-"):
        return "Thread" + name[7:].lstrip("0123456789")
    short = name.rstrip("0123456789")
    return short[:-1] if short != name and short[-1:] in ("_", "-") else name


class BlackBox:
    def __init__(self, root: str, own: str) -> None:
        """`root`: the project's directory. `own`: the directory of this plugin."""
        self.fd = os.memfd_create("shunt-blackbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, SIZE)
        # A test that finds the descriptor could cut the page away below us, and that is SIGBUS.
        fcntl.fcntl(self.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
        self.page = mmap.mmap(self.fd, SIZE)
        self.root = os.path.join(root, "")
        self.own = os.path.join(own, "")
        self.stdlib = os.path.join(os.path.dirname(os.__file__), "")
        self.places: Dict[Tuple[str, str, int], int] = {}
        self.ranks: Dict[str, int] = {}
        self.test_file = ""

    def _rank(self, filename: str) -> int:
        """2: the project's own code; 1: somebody's library; 0: the interpreter's and ours."""
        rank = self.ranks.get(filename)
        if rank is None:
            library = any(f"/{name}/" in filename for name in _LIBRARY)
            if filename.startswith(self.own) or filename.startswith("<"):
                rank = 0
            elif filename.startswith(self.root) and not library:
                rank = 2
            else:
                rank = 0 if filename.startswith(self.stdlib) and not library else 1
            self.ranks[filename] = rank
        return rank

    def _origin(self, frame: Optional[FrameType]) -> Tuple[str, int]:
        """The innermost line on the stack of the test's file, else of the project, else of a library."""
        best: Tuple[str, int] = ("", 0)
        best_rank = 0
        while frame is not None:
            filename = frame.f_code.co_filename
            if filename == self.test_file:
                return filename, frame.f_lineno
            rank = self._rank(filename)
            if rank > best_rank:
                best, best_rank = (filename, frame.f_lineno), rank
            frame = frame.f_back
        return best

    def record(self, what: str, frame: Optional[FrameType]) -> None:
        filename, line = self._origin(frame)
        key = (what, filename, line)
        at = self.places.get(key)
        if at is None:
            at = self._new_record(what, filename, line)
            self.places[key] = at
        if at:
            (count,) = struct.unpack_from("<I", self.page, at)
            struct.pack_into("<I", self.page, at, count + 1)

    def _new_record(self, what: str, filename: str, line: int) -> int:
        """Its place in the page; 0 when the page is full."""
        (n,) = struct.unpack_from("<I", self.page, 0)  # forked children of the test write here too
        if n >= RECORDS:
            return 0
        if filename.startswith(self.root):
            filename = filename[len(self.root) :]
        text = (f"{what} started at {filename}:{line}" if filename else what).encode("utf-8", "replace")[:TEXT]
        at = (n + 1) * RECORD
        struct.pack_into("<II", self.page, at, 0, len(text))
        self.page[at + 8 : at + 8 + len(text)] = text
        struct.pack_into("<I", self.page, 0, n + 1)
        return at

    def reset(self, test_file: str) -> None:
        """A new test begins."""
        self.test_file = test_file
        if self.places:
            self.places.clear()
            struct.pack_into("<I", self.page, 0, 0)

    def install(self) -> None:
        """Watches the starts of threads and forks in this process and in those that it forks."""
        start = threading.Thread.start
        record = self.record

        def recorded_start(thread: Any) -> None:
            __tracebackhide__ = True
            start(thread)
            try:
                record("threads of " + _family(thread.name), sys._getframe(1))
            except Exception:  # the test's own frames and names may be anything
                pass

        def forked() -> None:
            try:
                record("processes", sys._getframe(1))
            except Exception:
                pass

        recorded_start.__name__ = start.__name__
        recorded_start.__qualname__ = start.__qualname__
        recorded_start.__doc__ = start.__doc__
        threading.Thread.start = recorded_start  # type: ignore[method-assign]
        os.register_at_fork(after_in_parent=forked)


def open_box(root: str) -> Optional[BlackBox]:
    """None where there are no anonymous files."""
    if not hasattr(os, "memfd_create"):
        return None
    box = BlackBox(root, os.path.dirname(os.path.abspath(__file__)))
    box.install()
    return box
