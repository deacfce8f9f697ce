# SPDX-License-Identifier: MIT
import pytest


@pytest.mark.dependency()
@pytest.mark.xfail(reason="on purpose")
def test_a():
    assert False


@pytest.mark.dependency()
def test_b():
    pass


@pytest.mark.parametrize("n", range(10))
def test_between(n):
    pass


@pytest.mark.dependency(depends=["test_a"])
def test_c():
    pass


@pytest.mark.dependency(depends=["test_b"])
def test_d():
    pass


@pytest.mark.dependency(depends=["test_b", "test_c"])
def test_e():
    pass
