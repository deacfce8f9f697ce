# SPDX-License-Identifier: MIT
import urllib.request

import pytest
from flask import url_for


@pytest.mark.parametrize("n", range(5))
def test_ping(client, n):
    answer = client.get(url_for("ping"))
    assert answer.status_code == 200
    assert answer.json == {"ping": "pong"}


def test_missing(client):
    assert client.get("/nothing").status_code == 200


@pytest.mark.usefixtures("live_server")
def test_live():
    assert b"pong" in urllib.request.urlopen(url_for("ping", _external=True)).read()


@pytest.mark.options(server_name="example.org:5000")
def test_options(config):
    assert config["SERVER_NAME"] == "example.org:5000"


def test_config(config):
    assert config["TESTING"]
