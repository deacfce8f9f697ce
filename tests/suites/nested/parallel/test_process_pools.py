# SPDX-License-Identifier: MIT
"""Work that goes to other processes."""
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

FORK = multiprocessing.get_context("fork")


def square(i):
    return i * i


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_pool_of_processes(workers):
    with ProcessPoolExecutor(max_workers=workers, mp_context=FORK) as pool:
        assert list(pool.map(square, range(8))) == [i * i for i in range(8)]


def test_work_happens_elsewhere():
    with ProcessPoolExecutor(max_workers=1, mp_context=FORK) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()


def test_tool_as_a_subprocess():
    done = subprocess.run(
        [sys.executable, "-S", "-c", "print(6 * 7)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"


def test_tool_that_fails():
    assert subprocess.run(["false"]).returncode == 1


def crowded(threads):
    """Runs in each process of the pool: as many threads, all alive at the same time, here and in the others."""
    everybody = crowded.everybody  # inherited
    together = threading.Barrier(threads + 1)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            held = [pool.submit(together.wait, 10) for _ in range(threads)]
            everybody.wait(10)
            together.wait(10)
        except (RuntimeError, threading.BrokenBarrierError):
            everybody.abort()
            together.abort()
            raise
        return len({future.result() for future in held})


def test_pools_inside_a_pool():
    """Misuse: 4 processes with 24 threads each, about 100 tasks. Right, where there is room."""
    crowded.everybody = FORK.Barrier(4)
    with ProcessPoolExecutor(max_workers=4, mp_context=FORK) as pool:
        assert list(pool.map(crowded, [24] * 4)) == [24] * 4


def test_environment_reaches_the_tool(monkeypatch):
    monkeypatch.setenv("STUDIO_QUALITY", "draft")
    done = subprocess.run(["sh", "-c", "echo $STUDIO_QUALITY"], capture_output=True, text=True)
    assert done.stdout.strip() == "draft"
