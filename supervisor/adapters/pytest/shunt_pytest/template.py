# SPDX-License-Identifier: MIT
"""The template: a pristine fork of the controller that forks workers on request, and does nothing else."""
import ctypes
import gc
import os
import signal
from typing import Any, Optional

from . import worker
from .channel import Channel, Closed, close_fds
from .state import State


class Enter:
    """The C helper with which an intermediate joins a cell and a worker seals itself."""

    def __init__(self, path: str) -> None:
        self._lib = ctypes.CDLL(path) if path else None

    def join(self, fds: Any) -> int:
        """0, or an errno."""
        if self._lib is None or not fds:
            return 0
        return -int(self._lib.shunt_enter_join((ctypes.c_int * len(fds))(*fds), len(fds)))

    def seal(self, seal_fd: int) -> int:
        if self._lib is None:
            return 0
        return -int(self._lib.shunt_enter_seal(seal_fd))


def _intermediate(session: Any, state: State, enter: Enter, fd: int) -> None:
    """Is moved into the cell's cgroup, joins its namespaces, and forks the worker there. Never returns."""
    channel = Channel.from_fd(fd)
    channel.send({"t": "joining"})
    message = channel.recv()
    named = dict(zip(message.header["fds"], message.fds))
    namespaces = [f for n, f in named.items() if n in ("user", "ipc", "net", "mnt", "pid")]
    errno = enter.join(namespaces)
    if errno:
        channel.send({"t": "enter-failed", "stage": "joining the cell's namespaces", "errno": errno})
        os._exit(1)
    close_fds(namespaces)
    try:
        pid = os.fork()
    except OSError as error:
        channel.send({"t": "enter-failed", "stage": "fork in the cell", "errno": error.errno or 0})
        os._exit(1)
    if pid:
        os._exit(0)
    worker.run_forked(session, state, channel, enter, named)


def main(session: Any, state: State, fd: int) -> None:
    """Never returns: the stack above belongs to the controller."""
    gc.disable()
    channel = Channel.from_fd(fd)
    enter = Enter(state.enter_lib)
    # Intermediates are nobody's business: the kernel hands their workers to the run init.
    old = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    channel.send({"t": "template"})
    while True:
        try:
            message = channel.recv()
        except Closed:
            os._exit(0)
        if message.type != "fork" or len(message.fds) != 1:
            os._exit(1)
        pid: Optional[int] = None
        try:
            pid = os.fork()
        except OSError as error:
            channel.send({"t": "fork-failed", "cell": message.header["cell"], "errno": error.errno or 0})
        if pid == 0:
            try:
                signal.signal(signal.SIGCHLD, old if old is not None else signal.SIG_DFL)
                channel.close()
                _intermediate(session, state, enter, message.fds[0])
            except Closed:
                os._exit(0)
            finally:
                os._exit(71)
        close_fds(message.fds)
