# SPDX-License-Identifier: MIT
from pytest_bdd import given, parsers, scenarios, then, when

scenarios("shop.feature")


@given("an empty basket", target_fixture="basket")
def basket():
    return []


@when(parsers.parse("I add {n:d} pears"))
def add(basket, n):
    basket.extend(["pear"] * n)


@then(parsers.parse("there are {n:d} pears"))
def count(basket, n):
    assert len(basket) == n
