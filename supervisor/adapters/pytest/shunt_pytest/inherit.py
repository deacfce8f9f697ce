# SPDX-License-Identifier: MIT
"""What a forked worker inherits and must not keep: descriptors of the terminal, shared file offsets, exit handlers."""
import atexit
import os
import stat
import sys
import threading
import time
import traceback
import weakref
from typing import Any, Dict, List, Optional, Set, Tuple

from . import shared_pools

TRACKER_S = 2.0


def _identity(fd: int) -> Optional[Tuple[int, int, int]]:
    try:
        st = os.fstat(fd)
    except OSError:
        return None
    return st.st_dev, st.st_ino, st.st_rdev


def _is_null(fd: int) -> bool:
    try:
        st = os.fstat(fd)
    except OSError:
        return True
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == os.makedev(1, 3)


def _replace(fd: int, by: int) -> None:
    os.dup2(by, fd, inheritable=fd < 3 or os.get_inheritable(fd))


def redirect_stdio(out: int, err: int) -> None:
    """Every descriptor that leads to the caller's terminal or stdio leads to the worker's pipes from now on: 0, 1 and 2,
    those that capture saved, faulthandler's, and whatever else was duplicated."""
    stderr, stdout, stdin = _identity(2), _identity(1), _identity(0)
    known: Dict[Any, int] = {}
    if not _is_null(2):
        known[stderr] = err
    if not _is_null(1):
        known[stdout] = out
    if not _is_null(0) and stdin not in known:
        known[stdin] = -1
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd in (0, 1, 2, out, err, null):
            continue
        target = known.get(_identity(fd))
        if target is None and os.isatty(fd):
            target = out
        if target is not None:
            _replace(fd, null if target < 0 else target)
    _replace(0, null)
    _replace(1, out)
    _replace(2, err)
    os.close(null)


def own_capture_files(config: Any) -> List[int]:
    """Gives the capture files of their own, since forked siblings would share one offset. Returns descriptors of the new
    files for stdout and stderr, as far as capture has files."""
    manager = config.pluginmanager.getplugin("capturemanager")
    multi = getattr(manager, "_global_capturing", None)
    fds: List[int] = []
    for stream in ("out", "err"):
        try:
            fd = getattr(multi, stream).tmpfile.fileno()
        except (AttributeError, OSError, ValueError):
            continue
        fds.append(_put_file_behind(fd, stream))
        _look_first(getattr(multi, stream), fd)
    return fds


def _look_first(capture: Any, fd: int) -> None:
    """pytest reads, rewinds and cuts its capture files after each phase, and most are empty. One call finds that out, and
    leaves the offset at 0 as pytest would."""
    snap, empty = getattr(capture, "snap", None), getattr(type(capture), "EMPTY_BUFFER", None)
    if snap is None or empty is None:
        return

    def look() -> Any:
        if os.lseek(fd, 0, os.SEEK_END) == 0 and capture._state in ("started", "suspended"):
            return empty
        return snap()

    capture.snap = look


def same_hooks(session: Any) -> None:
    """pytest asks several times a test which conftests apply to its file; the answer for a file does not change any more."""
    ask, everywhere = session.gethookproxy, session.config.hook
    known: Set[Any] = set()  # files to which all apply

    def gethookproxy(path: Any) -> Any:
        if path in known:
            return everywhere
        proxy = ask(path)
        if proxy is everywhere:
            known.add(path)
        return proxy

    session.gethookproxy = gethookproxy


def own_fault_file(config: Any) -> Optional[int]:
    """faulthandler's dump of a dying worker belongs to the evidence, not on the screen. None where pytest uses that
    descriptor for stacks of tests that live on, or has none."""
    try:
        from _pytest import faulthandler as plugin

        # A descriptor since pytest 7.3, a file before.
        key = getattr(plugin, "fault_handler_stderr_fd_key", None) or plugin.fault_handler_stderr_key  # type: ignore
        kept = config.stash[key]
        fd = kept if isinstance(kept, int) else kept.fileno()
        if float(config.getini("faulthandler_timeout") or 0) > 0:
            return None
    except (ImportError, KeyError, ValueError, AttributeError):
        return None
    return _put_file_behind(fd, "faults")


def _put_file_behind(fd: int, name: str) -> int:
    """A descriptor of the fresh, anonymous file that `fd` leads to from now on."""
    new = os.memfd_create("shunt-" + name) if hasattr(os, "memfd_create") else _anonymous()
    os.dup2(new, fd, inheritable=False)
    return new


def _anonymous() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def drop_exit_handlers() -> None:
    """Handlers that were registered before the fork belong to the controller: a TemporaryDirectory of a conftest would be
    deleted by the first worker that ends."""
    clear = getattr(atexit, "_clear", None)
    if clear is not None:
        clear()
    finalize: Any = weakref.finalize
    for info in getattr(finalize, "_registry", {}).values():
        info.atexit = False
    finalize._registered_with_atexit = False
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._finalizer_registry.clear()  # type: ignore[attr-defined]
        atexit.register(util._exit_function)  # type: ignore[attr-defined]


def _end_resource_trackers() -> None:
    """They unlink shared memory and semaphores that nobody closed, once their pipe is closed: they get the time for it."""
    for tracker in shared_pools.resource_trackers():
        fd, pid = getattr(tracker, "_fd", None), getattr(tracker, "_pid", None)
        if not isinstance(fd, int) or not isinstance(pid, int):
            continue
        try:
            os.close(fd)
            deadline = time.monotonic() + TRACKER_S
            while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
                time.sleep(0.002)
        except OSError:
            pass


def run_exit_handlers() -> None:
    """As the interpreter does: first what ends pools (joblib's loky would keep its processes for minutes), then the rest."""
    for handler in reversed(getattr(threading, "_threading_atexits", [])):
        try:
            handler()
        except BaseException:
            traceback.print_exc()
    run = getattr(atexit, "_run_exitfuncs", None)
    if run is not None:
        try:
            run()
        except BaseException:  # printed by atexit itself; the worker ends anyway
            pass
    _end_resource_trackers()


def restore_random(state: Optional[Any]) -> None:
    if state is not None:
        import random

        random.setstate(state)


def fresh_numpy() -> None:
    """numpy does not notice a fork: unless somebody seeded its global generator, workers would draw the same numbers."""
    generator: Any = getattr(getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None), "_bit_generator", None)
    try:
        origin = generator._seed_seq  # None once it was seeded
        if origin is not None and (type(generator)(origin).state["state"]["key"] == generator.state["state"]["key"]).all():
            generator.state = type(generator)().state
    except Exception:  # not a part of numpy's public interface, or no numpy
        pass
