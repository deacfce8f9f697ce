# SPDX-License-Identifier: MIT
import os

import pytest


def test_patch(mocker):
    mocker.patch("os.getcwd", return_value="/nowhere")
    assert os.getcwd() == "/nowhere"


def test_undone():
    assert os.getcwd() != "/nowhere"


def test_spy(mocker):
    spy = mocker.spy(os.path, "join")
    os.path.join("a", "b")
    spy.assert_called_once_with("a", "b")


def test_spy_fails(mocker):
    stub = mocker.stub(name="stub")
    stub(1)
    stub.assert_called_once_with(2)


@pytest.fixture
def wide(module_mocker):
    return module_mocker.patch("os.sep", "!")


def test_module_scope(wide):
    assert os.sep == "!"


def test_still_patched():
    assert os.sep in "!/"  # "/" where this test runs in another worker


def test_session_scope(session_mocker):
    session_mocker.patch.dict(os.environ, {"SEEN": "1"})
    assert os.environ["SEEN"] == "1"
