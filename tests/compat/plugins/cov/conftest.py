# SPDX-License-Identifier: MIT
import pytest

from lib import calc


@pytest.fixture(scope="session", autouse=True)
def whole_session():
    yield
    calc.at_session_end()


@pytest.fixture
def torn_down():
    yield 1
    calc.teardown_only()
