# SPDX-License-Identifier: MIT
import os
import sys

import pytest
from xprocess import ProcessStarter

PROGRAM = "import time; print('listening', flush=True); time.sleep(60)"


@pytest.fixture
def server(xprocess):
    class Starter(ProcessStarter):
        pattern = "listening"
        timeout = 20
        terminate_on_interrupt = True
        args = [sys.executable, "-c", PROGRAM]

    name = "server-" + os.environ.get("PYTEST_XDIST_WORKER", "")
    xprocess.ensure(name, Starter)
    yield xprocess.getinfo(name)
    xprocess.getinfo(name).terminate()


@pytest.mark.parametrize("n", range(4))
def test_runs(server, n):
    assert server.isrunning()
    os.kill(server.pid, 0)


def test_fails(server):
    assert not server.isrunning()
