# SPDX-License-Identifier: MIT
"""What a suite made while it was collected and forked workers could not go on with."""
import os
import sys
import threading
from typing import Any, Optional, Set

from . import opened

# Threads of these modules live in the controller on purpose; a worker does without them.
CONTROLLER_THREADS = ("pytest_rerunfailures", "execnet", "_pytest", "pluggy")


def why(own: int = -1) -> Optional[str]:
    """None, or the reason for cold workers, for people. `own` is the descriptor of the plugin's own connection."""
    if not hasattr(os, "fork"):
        return "no fork here"
    return _thread() or _event_loop() or opened.shared(own)


def _thread() -> Optional[str]:
    """A Python thread that would be dead in every forked worker."""
    for thread in threading.enumerate():
        if thread is threading.main_thread():
            continue
        target = getattr(thread, "_target", None)
        module = getattr(target, "__module__", None) or type(thread).__module__
        if not str(module).startswith(CONTROLLER_THREADS):
            return f"thread {thread.name!r} ({module}) was started while collecting and would be dead in a forked worker"
    return None


def _epolls() -> Set[int]:
    found: Set[int] = set()
    try:
        for name in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{name}") == "anon_inode:[eventpoll]":
                    found.add(int(name))
            except OSError:  # the directory's own descriptor
                pass
    except OSError:
        pass
    return found


def _gevent_fd() -> int:
    """Of gevent's hub, which makes another one in a child."""
    hub = getattr(sys.modules.get("gevent._hub_local"), "get_hub_if_exists", lambda: None)()
    try:
        return int(hub.loop.fileno())
    except Exception:  # no hub, or a loop without one
        return -1


def _event_loop() -> Optional[str]:
    """An epoll instance belongs to the open file, not to the process: workers would take each other's events, and a loop's
    wake-up pipe would wake whoever reads first."""
    epolls = _epolls() - {_gevent_fd()}
    if not epolls:
        return None
    return f"{_whose(epolls)} was made while collecting, and forked workers would share its events (epoll)"


def _whose(epolls: Set[int]) -> str:
    if "twisted.internet.reactor" in sys.modules:
        return "Twisted's reactor"
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is not None:
        import gc

        for found in gc.get_objects():
            if isinstance(found, asyncio.SelectorEventLoop) and not found.is_closed():
                return "an asyncio event loop"
    return f"an event loop (descriptor {min(epolls)})"
