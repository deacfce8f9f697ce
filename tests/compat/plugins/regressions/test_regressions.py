# SPDX-License-Identifier: MIT
import pytest


@pytest.mark.parametrize("n", [1, 2])
def test_data(data_regression, n):
    data_regression.check({"n": n, "square": n * n})


def test_file(file_regression):
    file_regression.check("some text\n")


def test_differs(data_regression):
    data_regression.check({"now": 2})


def test_new(data_regression, tmp_path):
    """No expected file: it is made, and the test fails the first time."""
    data_regression.check({"a": 1}, fullpath=tmp_path / "made.yml")
