# SPDX-License-Identifier: MIT
import pytest


@pytest.mark.dependency(scope="session", depends=["test_dependency.py::test_b"])
def test_other_module():
    pass


@pytest.mark.parametrize("n", range(10))
def test_plain(n):
    pass
