# SPDX-License-Identifier: MIT
"""What was opened while collecting and must not be used by two processes: connections, listening sockets, SQLite databases.

Looked at as descriptors, since libraries in C open most of them.
"""
import os
import socket
import stat
import sys
from typing import Any, Dict, Optional, Set

SQLITE = b"SQLite format 3\0"


def _descriptors() -> Dict[int, os.stat_result]:
    found = {}
    try:
        for name in os.listdir("/proc/self/fd"):
            try:
                found[int(name)] = os.fstat(int(name))
            except OSError:  # the directory's own descriptor
                pass
    except OSError:
        pass
    return found


def _inodes() -> Set[int]:
    return {st.st_ino for st in _descriptors().values()}


BEFORE = _inodes()  # when the plugin is loaded, before conftests are


def _address(address: Any) -> str:
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)


def _of_controller() -> Set[int]:
    """Descriptors that pytest-rerunfailures serves from the first process on purpose."""
    module = sys.modules.get("pytest_rerunfailures")
    if module is None:
        return set()
    import gc

    kinds = tuple(k for k in (getattr(module, "ServerStatusDB", None), getattr(module, "SocketDB", None)) if k is not None)
    return {found.sock.fileno() for found in gc.get_objects() if isinstance(found, kinds) and hasattr(found, "sock")}


def _socket(fd: int) -> Optional[str]:
    try:
        with socket.socket(fileno=os.dup(fd)) as found:
            if found.type != socket.SOCK_STREAM:
                return None
            if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return f"a socket that listens at {_address(found.getsockname())}"
            peer = found.getpeername()
            return f"a connection to {_address(peer)}" if peer else None  # one of a socketpair() has no address
    except OSError:
        return None


def _database(fd: int) -> Optional[str]:
    try:
        if os.pread(fd, len(SQLITE), 0) != SQLITE:
            return None
        return f"the SQLite database {os.path.relpath(os.readlink(f'/proc/self/fd/{fd}'))}"
    except OSError:
        return None


def shared(own: int) -> Optional[str]:
    """One of them, in words; `own` is the plugin's own connection."""
    for fd, st in sorted(_descriptors().items()):
        if fd == own or st.st_ino in BEFORE:
            continue
        what = None
        if stat.S_ISSOCK(st.st_mode):
            what = _socket(fd)
        elif stat.S_ISREG(st.st_mode) and "_sqlite3" in sys.modules:
            what = _database(fd)
        if what is not None and fd not in _of_controller():
            return f"{what} was opened while collecting, and forked workers would share it"
    return None
