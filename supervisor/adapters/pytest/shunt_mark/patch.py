# SPDX-License-Identifier: MIT
"""Changed files as a unified diff for `patch -p1` and `git apply`, or written in place."""
import difflib
import os
import stat
from typing import List, NamedTuple, Optional

from .source import MAX_BYTES, printable, read_regular


class FileChange(NamedTuple):
    path: str  # absolute, without links
    relative: str  # to the root
    before: Optional[bytes]  # None: the file is new
    after: bytes
    evidence: List[str]


class CannotWrite(Exception):
    """Says which file, and why."""


def _lines(data: bytes) -> List[str]:
    return data.decode("latin-1").split("\n") if data else []


def _pieces(data: bytes) -> List[str]:
    parts = _lines(data)
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts and parts[-1] else [])


def _name(prefix: str, relative: str) -> bytes:
    """As git writes it: quoted where a byte would be misread, with a tab behind a blank."""
    raw = os.fsencode(relative)
    if all(0x20 <= c < 0x7F and c not in b'"\\' for c in raw):
        return prefix.encode() + raw + (b"\t" if b" " in raw else b"")
    quoted = "".join(chr(c) if 0x20 <= c < 0x7F and c not in b'"\\' else f"\\{c:03o}" for c in raw)
    return f'"{prefix}{quoted}"'.encode("ascii")


def diff(change: FileChange) -> bytes:
    """The evidence first: lines before a header are skipped by patch and git apply."""
    out = [b"# " + printable(line, 1000).encode("utf-8", "backslashreplace") + b"\n" for line in change.evidence]
    out.append(b"--- " + (_name("a/", change.relative) if change.before is not None else b"/dev/null") + b"\n")
    out.append(b"+++ " + _name("b/", change.relative) + b"\n")
    body = list(difflib.unified_diff(_pieces(change.before or b""), _pieces(change.after), lineterm="\n"))[2:]
    for line in body:
        out.append(line.encode("latin-1"))
        if not line.endswith("\n"):
            out.append(b"\n\\ No newline at end of file\n")
    return b"".join(out)


def write(change: FileChange, root: str) -> None:
    """Written aside and renamed: a reader sees the old file or the new one. Raises CannotWrite."""
    folder = os.path.dirname(change.path)
    if os.path.realpath(change.path) != change.path or not (folder + "/").startswith(root.rstrip("/") + "/"):
        raise CannotWrite(f"{printable(change.relative)}: not inside {printable(root)} any more")
    aside = os.path.join(folder, f".{os.path.basename(change.path)[:200]}.shunt-{os.getpid()}")
    try:
        mode = 0o644
        if change.before is not None:
            if read_regular(change.path, MAX_BYTES) != change.before:
                raise CannotWrite(f"{printable(change.relative)}: changed in between; run shunt mark again")
            mode = stat.S_IMODE(os.lstat(change.path).st_mode)
        elif os.path.lexists(change.path):
            raise CannotWrite(f"{printable(change.relative)}: came into being in between; run shunt mark again")
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(change.after)
                file.flush()
                _like(file.fileno(), change, mode)
                os.fsync(file.fileno())
            os.rename(aside, change.path)
        except BaseException:
            os.unlink(aside)
            raise
    except OSError as error:
        raise CannotWrite(f"{printable(change.relative)}: {printable(error.strerror or error)}") from None


def _like(fd: int, change: FileChange, mode: int) -> None:
    """Owner and mode as they were, and the folder's owner for a new file: root must not take a user's files."""
    was = os.lstat(change.path) if change.before is not None else os.stat(os.path.dirname(change.path))
    if (was.st_uid, was.st_gid) != (os.getuid(), os.getgid()):
        try:
            os.fchown(fd, was.st_uid, was.st_gid)
        except OSError:
            pass  # an ordinary user in somebody else's group: the file is then his, as with an editor
    os.fchmod(fd, mode)
