# SPDX-License-Identifier: MIT
import unittest

import pytest


def test_some_fail(subtests):
    for i in range(4):
        with subtests.test("number", i=i):
            assert i % 2 == 0


def test_all_pass(subtests):
    for i in range(3):
        with subtests.test(i=i):
            pass


@pytest.mark.parametrize("n", range(3))
def test_skip_inside(subtests, n):
    with subtests.test(n=n):
        if n == 1:
            pytest.skip("one")


class TestCase(unittest.TestCase):
    def test_unittest(self):
        for i in range(3):
            with self.subTest("message", i=i):
                self.assertNotEqual(i, 1)
