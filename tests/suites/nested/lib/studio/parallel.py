# SPDX-License-Identifier: MIT
"""Parallel processing: an ordered map, a counter, a cache that computes each key once."""
import threading
from concurrent.futures import ThreadPoolExecutor


def ordered_map(function, items, workers=4):
    """Applies function to all items in a pool of threads; results in the order of the items."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(function, items))


def batches(items, size):
    """Cuts items into lists of at most size."""
    if size < 1:
        raise ValueError("size must be at least 1")
    return [items[i : i + size] for i in range(0, len(items), size)]


class Counter:
    def __init__(self):
        self._lock = threading.Lock()
        self.value = 0

    def add(self, n=1):
        with self._lock:
            self.value += n


class OnceCache:
    """Computes the value of a key once, however many threads ask for it at the same time."""

    def __init__(self, compute):
        self._compute = compute
        self._lock = threading.Lock()
        self._slots = {}

    def get(self, key):
        with self._lock:
            slot = self._slots.setdefault(key, [threading.Lock(), None, False])
        with slot[0]:
            if not slot[2]:
                slot[1] = self._compute(key)
                slot[2] = True
        return slot[1]
