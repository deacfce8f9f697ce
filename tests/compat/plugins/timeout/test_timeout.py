# SPDX-License-Identifier: MIT
import threading
import time

import pytest


@pytest.mark.parametrize("n", range(6))
def test_quick(n):
    assert n >= 0


@pytest.mark.timeout(0.5)
def test_sleeps():
    time.sleep(30)


@pytest.mark.timeout(0.5, method="signal")
def test_waits_for_a_lock():
    threading.Event().wait(30)


@pytest.fixture
def slow_fixture():
    time.sleep(30)


@pytest.mark.timeout(0.5)
def test_slow_fixture(slow_fixture):
    pass


@pytest.mark.timeout(0)
def test_no_timeout():
    assert True


def test_afterwards():
    assert True
