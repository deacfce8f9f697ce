# SPDX-License-Identifier: MIT
import asyncio

import pytest
import pytest_asyncio


@pytest_asyncio.fixture
async def value():
    await asyncio.sleep(0)
    return 3


@pytest.mark.asyncio
async def test_marked(value):
    assert value == 3


def test_plain(value):
    assert value == 3


class TestLoop:
    async def test_method(self, event_loop):
        assert asyncio.get_running_loop() is event_loop

    def test_run(self):
        assert asyncio.run(asyncio.sleep(0, 7)) == 7
