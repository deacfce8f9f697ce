# SPDX-License-Identifier: MIT
"""Files that are either the old or the new ones, never something in between."""
import contextlib
import os
import tempfile


def write(path, data, mode=0o644):
    """Replaces path with data (bytes) in one step."""
    path = os.fspath(path)
    fd, aside = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".aside-")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)
        raise


@contextlib.contextmanager
def claim(path):
    """Holds path as a lock file; FileExistsError when someone else does."""
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        os.write(fd, str(os.getpid()).encode())
        yield
    finally:
        os.close(fd)
        os.unlink(path)
