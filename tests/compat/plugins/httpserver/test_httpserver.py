# SPDX-License-Identifier: MIT
import urllib.request

import pytest


@pytest.mark.parametrize("n", range(6))
def test_json(httpserver, n):
    httpserver.expect_request("/n").respond_with_json({"n": n})
    assert urllib.request.urlopen(httpserver.url_for("/n")).read() == b'{"n": %d}' % n


def test_ordered(httpserver):
    httpserver.expect_ordered_request("/a").respond_with_data("a")
    httpserver.expect_ordered_request("/b").respond_with_data("b")
    for letter in "ab":
        assert urllib.request.urlopen(httpserver.url_for("/" + letter)).read().decode() == letter
    httpserver.check_assertions()


def test_unexpected(httpserver):
    urllib.request.urlopen(httpserver.url_for("/nobody"))
