# SPDX-License-Identifier: MIT
import os
import socket

import pytest


@pytest.mark.parametrize("n", range(6))
def test_display(n):
    number = os.environ["DISPLAY"].partition(":")[2].partition(".")[0]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"/tmp/.X11-unix/X{number}")
        connection.sendall(b"l\0\x0b\0\0\0\0\0\0\0\0\0")  # X11's greeting, protocol 11.0
        assert connection.recv(1) in (b"\1", b"\0", b"\2")  # answered at all
