# SPDX-License-Identifier: MIT
import pytest

from lib import calc


@pytest.mark.parametrize("a", range(20))
def test_add(a):
    assert calc.add(a, 1) == a + 1


def test_large():
    assert calc.add(101, 1) == -1


def test_with_teardown(torn_down):
    assert torn_down == 1


def test_in_thread():
    assert calc.in_thread() == [3]


def test_fails():
    assert calc.add(1, 1) == 3


class TestOfAClass:
    @classmethod
    def teardown_class(cls):
        calc.add(0, 0)

    def test_one(self):
        assert calc.add(2, 2) == 4
