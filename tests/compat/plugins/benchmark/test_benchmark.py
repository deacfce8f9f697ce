# SPDX-License-Identifier: MIT
import pytest


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@pytest.mark.parametrize("n", [1, 5, 8])
def test_fib(benchmark, n):
    assert benchmark(fib, n) in (1, 5, 21)


def test_pedantic(benchmark):
    assert benchmark.pedantic(fib, args=(5,), rounds=5, iterations=2) == 5


def test_extra(benchmark):
    benchmark.extra_info["why"] = "shown in the JSON"
    benchmark(lambda: None)


def test_fails(benchmark):
    assert benchmark(fib, 3) == 3


def test_without():
    assert True
