# SPDX-License-Identifier: MIT
"""The black box: a page, shared with the supervisor and readable after SIGKILL, that says which source lines started
threads and processes during the current test, in which phase it is, and who called os._exit(). docs/protocol.md has its
layout."""
import errno
import faulthandler
import fcntl
import mmap
import os
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any, Dict, Optional, Tuple

F_ADD_SEALS, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW = 1033, 1, 2, 4  # linux/fcntl.h
SIZE = 4096
RECORD = 256
RECORDS = SIZE // RECORD - 1  # the first place holds the header
TEXT = RECORD - 8
# The header, in words of four bytes.
NUMBER, PHASE, EXIT_TASK, EXIT_STATUS, EXIT_LENGTH, EXIT_TEST = range(6)
EXIT_TEXT = 24
REFUSED = RECORD // 4 - 1  # the last word of the header: starts that the kernel refused
CURRENT = REFUSED - 1  # the test that has begun: its index in the suite, and 1
SETUP, CALL, TEARDOWN, SESSION_FINISH = 1, 2, 3, 4
STACK_SIGNAL = signal.SIGRTMAX - 5  # docs/protocol.md
STACK_FD = 300  # away from where tests count and close them

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
        self.words = memoryview(self.page).cast("I")
        self.pid = os.getpid()
        self.root = os.path.join(root, "")
        self.own = os.path.join(own, "")
        self.stdlib = os.path.join(os.path.dirname(os.__file__), "")
        # By the innermost line that is not the interpreter's, and the line that called it: a place in `words`.
        self.threads: Dict[Tuple[str, int, int], int] = {}
        self.forks: Dict[Tuple[str, int, int], int] = {}
        self.ranks: Dict[str, int] = {}
        self.test_file = ""
        self.test = 0  # its index in the suite, and 1
        self.main = threading.get_ident()

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

    def _origin(self, frame: Optional[FrameType]) -> str:
        """The innermost line on the stack of the test's file, else of the project, else of a library: "a.py:7", or ""."""
        best: Tuple[str, int] = ("", 0)
        best_rank = 0
        while frame is not None:
            filename = frame.f_code.co_filename
            if filename == self.test_file:
                best = filename, frame.f_lineno
                break
            rank = self._rank(filename)
            if rank > best_rank:
                best, best_rank = (filename, frame.f_lineno), rank
            frame = frame.f_back
        filename, line = best
        if filename.startswith(self.root):
            filename = filename[len(self.root) :]
        return f"{filename}:{line}" if filename else ""

    def _new_record(self, what: str, frame: Optional[FrameType]) -> int:
        """The word with its count; that of the last record's end, which nobody reads, when the page is full."""
        if what == "threads of pytest_timeout" or what.startswith("threads of pytest_timeout "):
            return SIZE // 4 - 1  # its timers are nobody's
        n = self.words[NUMBER]  # forked children of the test write here too
        if n >= RECORDS:
            return SIZE // 4 - 1
        where = self._origin(frame)
        text = (f"{what} started at {where}" if where else what).encode("utf-8", "replace")[: TEXT - 4]
        at = (n + 1) * RECORD
        self.words[at // 4], self.words[at // 4 + 1] = 0, len(text)
        self.page[at + 8 : at + 8 + len(text)] = text
        self.words[NUMBER] = n + 1
        return at // 4

    def reset(self, test_file: str, index: int) -> None:
        """A new test begins."""
        self.test_file = test_file
        self.test = index + 1
        self.words[CURRENT] = self.test
        self.words[PHASE] = SETUP
        self.words[REFUSED] = 0
        if self.threads or self.forks or self.words[NUMBER]:
            self.threads.clear()
            self.forks.clear()
            self.words[NUMBER] = 0

    def phase(self, number: int) -> None:
        self.words[PHASE] = number

    def note_exit(self, status: Any, frame: Optional[FrameType]) -> None:
        """This process ends by os._exit(). Children that a test forked do so as a matter of course."""
        if os.getpid() != self.pid or frame is None or frame.f_code.co_filename.startswith(self.own):
            return
        text = self._origin(frame)
        current = threading.current_thread()
        if current is not threading.main_thread():
            text += f" in thread {current.name}"
            self.words[EXIT_TEST] = getattr(current, "_shunt_test", 0)
        data = text.encode("utf-8", "replace")[: RECORD - EXIT_TEXT - 8]
        self.page[EXIT_TEXT : EXIT_TEXT + len(data)] = data
        self.words[EXIT_STATUS] = int(status) & 0xFF
        self.words[EXIT_LENGTH] = len(data)
        self.words[EXIT_TASK] = threading.get_native_id()

    def install(self) -> None:
        """Watches the starts of threads and forks in this process and in those that it forks, and os._exit(). What is added
        to a start is less than a microsecond: one line is looked for once, and then only counted."""
        start = threading.Thread.start
        leave = os._exit
        execute_child = subprocess.Popen._execute_child  # type: ignore[attr-defined]
        words, ranks, threads, forks = self.words, self.ranks, self.threads, self.forks
        getframe, get_ident = sys._getframe, threading.get_ident

        def recorded_start(thread: Any) -> None:
            __tracebackhide__ = True
            try:  # a thread belongs to the test that started the thread that started it
                if get_ident() == self.main:
                    thread._shunt_test = self.test
                else:
                    thread._shunt_test = getattr(threading.current_thread(), "_shunt_test", self.test)
            except Exception:
                pass
            try:
                start(thread)
            except RuntimeError as error:  # "can't start new thread"; or it was started before
                if "can't start" in str(error):
                    words[REFUSED] += 1
                raise
            try:
                first = frame = getframe(1)
                while not ranks.get(frame.f_code.co_filename, 1):
                    frame = frame.f_back  # type: ignore[assignment]
                outer = frame.f_back
                key = (frame.f_code.co_filename, frame.f_lineno, outer.f_lineno if outer is not None else 0)
                at = threads.get(key)
                if at is None:
                    at = threads[key] = self._new_record("threads of " + _family(thread.name), first)
                words[at] += 1
            except Exception:  # the test's own frames and names may be anything
                pass

        def note_process(first: FrameType) -> None:
            try:
                frame = first
                while not ranks.get(frame.f_code.co_filename, 1):
                    frame = frame.f_back  # type: ignore[assignment]
                outer = frame.f_back
                key = (frame.f_code.co_filename, frame.f_lineno, outer.f_lineno if outer is not None else 0)
                at = forks.get(key)
                if at is None:
                    at = forks[key] = self._new_record("processes", first)
                words[at] += 1
            except Exception:
                pass

        def forked() -> None:
            note_process(getframe(1))

        def recorded_child(popen: Any, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            try:
                result = execute_child(popen, *args, **kwargs)
            except OSError as error:
                if error.errno == errno.EAGAIN:
                    words[REFUSED] += 1
                raise
            note_process(getframe(1))
            return result

        def recorded_exit(status: int) -> None:
            try:
                self.note_exit(status, getframe(1))
            except Exception:
                pass
            leave(status)

        pairs = ((recorded_start, start), (recorded_exit, leave), (recorded_child, execute_child))
        for function, original in pairs:
            function.__name__ = original.__name__
            function.__qualname__ = original.__qualname__
            function.__doc__ = original.__doc__
        threading.Thread.start = recorded_start  # type: ignore[method-assign]
        os._exit = recorded_exit  # type: ignore[assignment]
        subprocess.Popen._execute_child = recorded_child  # type: ignore[attr-defined]
        os.register_at_fork(after_in_parent=forked)


class EarlyExit:
    """While pytest imports and collects: says who ends its process by os._exit(), which nobody would see otherwise. A status
    of 0 would look like a suite that has passed."""

    def __init__(self, root: str) -> None:
        self.pid = os.getpid()
        self.root = os.path.join(root, "")
        self.leave = os._exit
        self.stderr = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)  # before pytest captures it
        os._exit = self._exit  # type: ignore[assignment]

    def _exit(self, status: int) -> None:
        if os.getpid() == self.pid:
            frame = sys._getframe(1)
            where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            if where.startswith(self.root):
                where = where[len(self.root) :]
            more = "" if status else "; no test has run, so its exit status is 3"
            line = f"\nshunt: os._exit({status}) at {where}, while pytest imported and collected{more}\n"
            try:
                os.write(self.stderr, line.encode("utf-8", "backslashreplace"))
            except OSError:
                pass
            status = status or 3
        self.leave(status)

    def remove(self) -> None:
        if os._exit == self._exit:
            os._exit = self.leave
        os.close(self.stderr)


def open_box(root: str) -> Optional[BlackBox]:
    """None where there are no anonymous files."""
    if not hasattr(os, "memfd_create"):
        return None
    box = BlackBox(root, os.path.dirname(os.path.abspath(__file__)))
    box.install()
    return box


def open_stacks() -> Optional[int]:
    """A descriptor of an empty file; the stacks of all threads go there when STACK_SIGNAL comes, written by a handler in C
    that needs no lock of the interpreter. Processes that a test forks have it too; those that exec have not."""
    if not hasattr(os, "memfd_create"):
        return None
    fd = os.memfd_create("shunt-stacks", os.MFD_CLOEXEC)
    try:
        far = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, STACK_FD)
    except OSError:
        far = os.dup(fd)
    try:
        faulthandler.register(STACK_SIGNAL, file=far, all_threads=True, chain=False)
    except (OSError, ValueError, RuntimeError, AttributeError):
        os.close(far)
        os.close(fd)
        return None
    return fd
