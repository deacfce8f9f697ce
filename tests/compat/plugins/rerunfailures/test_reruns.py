# SPDX-License-Identifier: MIT
import pytest

seen = {}


def count(name):
    seen[name] = seen.get(name, 0) + 1
    return seen[name]


@pytest.mark.flaky(reruns=3)
def test_third_time():
    assert count("third") == 3


@pytest.mark.flaky(reruns=2)
def test_never():
    assert False


@pytest.mark.flaky(reruns=2, reruns_delay=0.01)
@pytest.mark.parametrize("n", range(5))
def test_second_time(n):
    assert count(f"second-{n}") == 2


@pytest.fixture
def flaky_fixture():
    assert count("fixture") == 2


@pytest.mark.flaky(reruns=1)
def test_fixture(flaky_fixture):
    pass


@pytest.mark.parametrize("n", range(5))
def test_quiet(n):
    pass


def test_plain_failure():
    assert False
