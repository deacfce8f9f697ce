# SPDX-License-Identifier: MIT
import pytest

order = []


@pytest.mark.parametrize("n", range(30))
def test_n(n):
    order.append(n)
    assert n != 13


class TestA:
    def test_one(self):
        pass

    def test_two(self):
        pass
