# SPDX-License-Identifier: MIT
"""What tests do that were never meant to run side by side."""
import os
import socket

PORT = 8080
FILES = ("/tmp/x-of-shunt-isolation", "/dev/shm/x-of-shunt-isolation")


def serve(who, meet):
    """A server on a port that everybody uses: it must be ours that answers."""
    meet("before")
    try:
        server = socket.create_server(("127.0.0.1", PORT))
    finally:
        meet("bound")
    with server:
        with socket.create_connection(("127.0.0.1", PORT), timeout=10) as client:
            connection, _ = server.accept()
            with connection:
                connection.sendall(who.encode())
            assert client.recv(64) == who.encode()


def keep(who, meet):
    """Files whose names everybody uses: what was written must still be there after a while."""
    meet("before")
    for path in FILES:
        with open(path, "w", encoding="ascii") as file:
            file.write(who)
    meet("written")
    seen = []
    for path in FILES:
        with open(path, encoding="ascii") as file:
            seen.append(file.read())
    meet("read")
    for path in FILES:
        if os.path.exists(path):
            os.unlink(path)
    assert seen == [who, who]
