# SPDX-License-Identifier: MIT
import pytest


@pytest.mark.parametrize("n", range(12))
def test_n(n):
    assert n != 5


def test_skipped():
    pytest.skip("no reason")


@pytest.mark.xfail
def test_xfail():
    assert False


@pytest.fixture
def broken():
    raise RuntimeError("broken")


def test_error(broken):
    pass
