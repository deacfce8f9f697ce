# SPDX-License-Identifier: MIT
"""Listening sockets that a test leaves open. `socket.socket.listen` is watched, and nothing else: a test that listens nowhere
pays nothing, one that does 1.7 us a call (Python 3.11). Sockets that extension modules open by themselves are not seen; those of
other processes end with them, and a process that stays is a leak of its own."""
import gc
import os
import socket
import sys
import threading
import weakref
from typing import Any, Dict, List, NamedTuple

from . import blackbox
from .channel import printable

MAX_LEFT = 16
TEXT_MAX = 190  # in UTF-8 below 200 bytes


class _Opened(NamedTuple):
    reference: Any
    where: str


class Listeners:
    def __init__(self, box: blackbox.BlackBox) -> None:
        self.box = box
        self.pid = os.getpid()
        self.wide = 0  # fixtures of wider scope that are being set up
        self.opened: List[_Opened] = []  # by the running test

    def note(self, sock: Any, frame: Any) -> None:
        if self.wide or os.getpid() != self.pid:
            return
        thread = threading.current_thread()
        # A server's thread may open more of them at any time: they belong to whoever started the thread.
        if getattr(thread, "_shunt_test", self.box.test) != self.box.test:
            return
        self.opened.append(_Opened(weakref.ref(sock), self.box._origin(frame)))

    def left(self, passed: bool) -> List[Dict[str, Any]]:
        """At a test's end. A test that failed keeps its frames, and what they hold, in its exception: nothing is said of it."""
        opened, self.opened = self.opened, []
        opened = [o for o in opened if self._is_open(o)] if passed else []
        if opened:
            gc.collect()  # what nobody can reach any more is closed
        found = []
        for entry in opened:
            sock = entry.reference()
            if sock is None or sock.fileno() < 0:
                continue
            try:
                inode = os.fstat(sock.fileno()).st_ino
                if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    continue
                name = self._name(sock.getsockname())
            except OSError:
                continue
            where = f" opened at {entry.where}" if entry.where else ""
            found.append({"fd": sock.fileno(), "inode": inode, "text": printable(name + where, TEXT_MAX)})
        return found[:MAX_LEFT]

    @staticmethod
    def _is_open(entry: _Opened) -> bool:
        sock = entry.reference()
        return sock is not None and sock.fileno() >= 0

    @staticmethod
    def _name(address: Any) -> str:
        if isinstance(address, tuple) and len(address) >= 2:
            return f"[{address[0]}]:{address[1]}" if ":" in str(address[0]) else f"{address[0]}:{address[1]}"
        return f"unix socket {os.fsdecode(address)!r}" if address else "unix socket"


def watch(box: blackbox.BlackBox) -> Listeners:
    seen = Listeners(box)
    listen = socket.socket.listen
    getframe = sys._getframe

    def recorded_listen(sock: Any, *args: Any) -> None:
        __tracebackhide__ = True
        listen(sock, *args)
        try:
            seen.note(sock, getframe(1))
        except Exception:  # the test's own frames may be anything
            pass

    recorded_listen.__name__ = "listen"
    recorded_listen.__qualname__ = getattr(listen, "__qualname__", "socket.listen")
    recorded_listen.__doc__ = listen.__doc__
    socket.socket.listen = recorded_listen  # type: ignore[assignment]
    return seen
