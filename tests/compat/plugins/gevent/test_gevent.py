# SPDX-License-Identifier: MIT
import queue
import socket
import subprocess
import threading
import time

import gevent
import pytest
from gevent.pool import Pool
from gevent.server import StreamServer


@pytest.mark.parametrize("n", range(5))
def test_pool(n):
    assert Pool(3).map(lambda x: x + n, range(4)) == [n, n + 1, n + 2, n + 3]


def test_patched_threads():
    found = queue.Queue()
    threads = [threading.Thread(target=found.put, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found.get() for _ in threads) == [0, 1, 2]


@pytest.mark.parametrize("n", range(3))
def test_server(n):
    server = StreamServer(("127.0.0.1", 0), lambda s, address: s.sendall(b"hello"))
    server.start()
    with socket.create_connection(server.address) as connection:
        assert connection.recv(10) == b"hello"
    server.stop()


def test_subprocess():
    assert subprocess.check_output(["echo", "x"]) == b"x\n"


def test_timeout():
    with gevent.Timeout(0.05, False):
        time.sleep(10)


def test_fails():
    gevent.sleep(0)
    assert False
