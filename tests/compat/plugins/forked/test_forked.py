# SPDX-License-Identifier: MIT
import os
import signal

import pytest

state = []


@pytest.mark.parametrize("n", range(6))
def test_isolated(n):
    state.append(n)
    assert state == [n]


def test_crashes():
    os.kill(os.getpid(), signal.SIGSEGV)


def test_exits():
    os._exit(3)


def test_fails():
    print("what it said")
    assert state == [1]
