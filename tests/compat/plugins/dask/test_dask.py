# SPDX-License-Identifier: MIT
"""dask keeps a pool for each size that was asked for, in a dictionary of a dictionary."""
import dask
import dask.bag
import pytest


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_threads(workers):
    with dask.config.set(scheduler="threads", num_workers=workers):
        assert dask.bag.range(10, npartitions=5).sum().compute() == 45


def test_default_pool():
    assert dask.bag.range(10, npartitions=5).sum().compute(scheduler="threads") == 45


def test_afterwards():
    import time

    time.sleep(0.1)
