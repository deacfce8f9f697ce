# SPDX-License-Identifier: MIT
"""The fixture `shunt_shared`: something that is made once for all workers of a run.

A lock and a value, in files beside the workers' temporary directories. Locks are flock()'s, so they go with a worker that dies.
"""
import fcntl
import hashlib
import os
import pathlib
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import nodes


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


class _Locked:
    """Nobody else looks at this name meanwhile."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def __exit__(self, *error: Any) -> None:
        os.close(self.fd)


class Shared:
    """shared(name, make): make()'s value, which one worker makes and all get. Values are numbers, text, bytes, lists, tuples,
    sets and dictionaries. With `cleanup` the last worker that uses it calls cleanup(value) at its session's end."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.values: Dict[str, Any] = {}
        self.users: List[Tuple[str, int, Callable[[Any], Any]]] = []
        self.pid = os.getpid()

    def _path(self, name: str, kind: str) -> pathlib.Path:
        return self.directory / f"{hashlib.sha256(name.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}.{kind}"

    def __call__(self, name: str, make: Callable[[], Any], cleanup: Optional[Callable[[Any], Any]] = None) -> Any:
        if name in self.values:
            return self.values[name]
        self.directory.mkdir(mode=0o700, exist_ok=True)
        with _Locked(self._path(name, "lock")):
            users = os.open(self._path(name, "users"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                value = self._value(name, make, stale=_try_lock(users) and cleanup is not None)
                fcntl.flock(users, fcntl.LOCK_SH)
            except BaseException:
                os.close(users)
                raise
        self.values[name] = value
        if cleanup is None:
            os.close(users)
        else:
            self.users.append((name, users, cleanup))
        return value

    def _value(self, name: str, make: Callable[[], Any], stale: bool) -> Any:
        """`stale`: whoever made it has cleaned it up, or died with it."""
        path = self._path(name, "value")
        if path.exists() and not stale:
            return nodes.loads(path.read_text())["value"]
        value = make()
        text = nodes.dumps({"value": value}, f"shunt_shared({name!r})")
        part = path.with_suffix(".part")
        part.write_text(text)
        part.replace(path)
        return value

    def close(self) -> None:
        if os.getpid() != self.pid:
            return
        while self.users:
            name, users, cleanup = self.users.pop()
            with _Locked(self._path(name, "lock")):
                last = _try_lock(users)
                try:
                    if last:
                        self._path(name, "value").unlink()
                        cleanup(self.values[name])
                finally:
                    os.close(users)
