# SPDX-License-Identifier: MIT
import pytest


@pytest.mark.repeat(5)
def test_marked():
    pass


def test_option():
    pass


@pytest.mark.parametrize("x", "ab")
def test_both(x):
    assert x != "b"
