# SPDX-License-Identifier: MIT
import flask
import pytest


@pytest.fixture(scope="session")
def app():
    application = flask.Flask(__name__)

    @application.route("/ping")
    def ping():
        return flask.jsonify(ping="pong")

    return application
