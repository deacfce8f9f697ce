# SPDX-License-Identifier: MIT
"""A command in a terminal of its own, with somebody who types."""
import errno
import os
import pty
import select
import signal
import time


def in_terminal(argv, directory, environ, timeout, script=()):
    """Runs it and types: script is a list of (text to wait for, what to type then). Returns (status, what was shown)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execvpe(argv[0], [str(a) for a in argv], environ)
    shown, at, steps = b"", 0, list(script)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                data = b""
            if not data:
                break
            shown += data
        if steps and steps[0][0].encode() in shown[at:]:
            at = len(shown)
            time.sleep(0.1)  # the prompt is shown before the line editor has set the terminal up
            os.write(fd, steps.pop(0)[1].encode())
    else:
        os.kill(pid, signal.SIGTERM)
        shown += f"\n(no end within {timeout} s)".encode()
    os.close(fd)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace").replace("\r\n", "\n")
