# SPDX-License-Identifier: MIT
"""shunt in a terminal that the test holds."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

from conftest import clean_environment


class Terminal:
    """shunt in a terminal of its own, whose other end we hold."""

    def __init__(self, argv, directory, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            os.chdir(directory)
            os.execvpe(argv[0], argv, clean_environment(TERM="dumb"))
        self.shown = b""

    def wait_for(self, text, timeout=60):
        deadline = time.monotonic() + timeout
        while text.encode() not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r}: {self.shown.decode(errors='replace')}"
            self._read()

    def _read(self):
        if select.select([self.fd], [], [], 0.2)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # EIO: everybody has closed it
                data = b""
            self.shown += data
            return bool(data)
        return True

    def type(self, text):
        self.shown = b""
        time.sleep(0.2)
        os.write(self.fd, text.encode())

    def mode(self):
        return termios.tcgetattr(self.fd)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def end(self, timeout=60):
        """The exit status, once everything was read. The terminal's mode is of just before."""
        deadline = time.monotonic() + timeout
        done = 0
        while not done and time.monotonic() < deadline:
            self._read()
            done, status = os.waitpid(self.pid, os.WNOHANG)
        assert done, f"no end: {self.shown.decode(errors='replace')}"
        while self._read() and select.select([self.fd], [], [], 0)[0]:
            pass
        return os.waitstatus_to_exitcode(status)
