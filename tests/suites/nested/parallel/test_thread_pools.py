# SPDX-License-Identifier: MIT
"""Thread safety of parallel processing."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from studio import parallel


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_map_keeps_the_order(workers):
    def slow_first(i):
        time.sleep(0.01 if i == 0 else 0)
        return i * i

    assert parallel.ordered_map(slow_first, range(32), workers) == [i * i for i in range(32)]


def test_map_of_nothing():
    assert parallel.ordered_map(str, []) == []


def test_map_hands_errors_on():
    with pytest.raises(ZeroDivisionError):
        parallel.ordered_map(lambda i: 1 // i, [1, 0, 2])


@pytest.mark.parametrize("size, count", [(1, 10), (3, 4), (10, 1), (99, 1)])
def test_batches(size, count):
    made = parallel.batches(list(range(10)), size)
    assert len(made) == count
    assert [i for batch in made for i in batch] == list(range(10))


def test_batches_of_no_size():
    with pytest.raises(ValueError):
        parallel.batches([1], 0)


@pytest.mark.parametrize("threads", [2, 6, 12])
def test_counter_loses_nothing(threads):
    counter = parallel.Counter()
    crowd = [
        threading.Thread(target=lambda: [counter.add() for _ in range(500)])
        for _ in range(threads)
    ]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert counter.value == 500 * threads


def test_cache_computes_once():
    calls = parallel.Counter()

    def compute(key):
        calls.add()
        time.sleep(0.02)
        return key.upper()

    cache = parallel.OnceCache(compute)
    assert parallel.ordered_map(cache.get, ["a", "b"] * 8, 8) == ["A", "B"] * 8
    assert calls.value == 2


def test_every_client_at_once():
    """Misuse: 400 threads are held together. Right, where there is room for them."""
    clients = 400
    everyone = threading.Barrier(clients)

    def client(i):
        everyone.wait(timeout=20)
        return i

    with ThreadPoolExecutor(max_workers=clients) as pool:
        try:
            served = [pool.submit(client, i) for i in range(clients)]
        except RuntimeError:
            everyone.abort()
            raise
        assert [future.result() for future in served] == list(range(clients))


def test_cache_keeps_errors_apart():
    cache = parallel.OnceCache(lambda key: 10 // key)
    with pytest.raises(ZeroDivisionError):
        cache.get(0)
    assert cache.get(5) == 2
