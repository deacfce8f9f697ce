# SPDX-License-Identifier: MIT
import pytest

done = []


@pytest.mark.order("last")
def test_last():
    assert done == ["first", "second", "third"]


@pytest.mark.order(3)
def test_third():
    done.append("third")
    assert done == ["first", "second", "third"]


@pytest.mark.order(1)
def test_first():
    done.append("first")
    assert done == ["first"]


@pytest.mark.order(2)
def test_second():
    done.append("second")
    assert done == ["first", "second"]


@pytest.mark.parametrize("n", range(10))
def test_others(n):
    pass
