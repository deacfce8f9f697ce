# SPDX-License-Identifier: MIT
"""Stages that hand work to each other."""
import queue
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest


@pytest.mark.parametrize("items", [0, 1, 50])
def test_producer_and_consumer(items):
    line = queue.Queue(maxsize=4)
    taken = []

    def consume():
        while (item := line.get()) is not None:
            taken.append(item)

    consumer = threading.Thread(target=consume)
    consumer.start()
    for i in range(items):
        line.put(i)
    line.put(None)
    consumer.join()
    assert taken == list(range(items))


def test_completion_in_any_order():
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = [pool.submit(pow, 2, i) for i in range(10)]
        assert sorted(f.result() for f in as_completed(futures)) == [2**i for i in range(10)]


def test_stages_hand_over():
    """Misuse: each of two threads holds what the other one waits for. It never ends."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        known = threading.Barrier(3)
        stages = {}

        def stage(other):
            known.wait()
            return stages[other].result()

        stages["decode"] = pool.submit(stage, "encode")
        stages["encode"] = pool.submit(stage, "decode")
        known.wait()
        assert [stage.result() for stage in as_completed(stages.values())]


def test_cancelled_before_it_ran():
    hold = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(hold.wait, 5)
        waiting = pool.submit(pow, 2, 2)
        assert waiting.cancel()
        hold.set()
