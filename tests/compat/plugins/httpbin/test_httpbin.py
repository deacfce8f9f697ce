# SPDX-License-Identifier: MIT
import json
import urllib.error
import urllib.request

import pytest


@pytest.mark.parametrize("n", range(6))
def test_get(httpbin, n):
    answer = json.loads(urllib.request.urlopen(f"{httpbin.url}/get?n={n}").read())
    assert answer["args"] == {"n": str(n)}


def test_status(httpbin):
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(httpbin.url + "/status/418")


def test_fails(httpbin):
    urllib.request.urlopen(httpbin.url + "/status/500")


def test_both(httpbin_both):
    assert httpbin_both.url.startswith("http")
