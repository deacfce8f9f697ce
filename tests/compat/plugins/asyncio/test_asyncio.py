# SPDX-License-Identifier: MIT
import asyncio

import pytest


@pytest.fixture
async def queue():
    q = asyncio.Queue()
    await q.put(1)
    yield q
    assert q.empty()


@pytest.fixture(scope="module")
def event_loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
async def server(event_loop):
    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()


async def test_fixture(queue):
    assert await queue.get() == 1


@pytest.mark.parametrize("n", range(10))
async def test_echo(server, n):
    reader, writer = await asyncio.open_connection("127.0.0.1", server)
    writer.write(b"%d\n" % n)
    assert await reader.readline() == b"%d\n" % n
    writer.close()


async def test_subprocess():
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0


async def test_executor():
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, lambda: 5) == 5


async def test_fails():
    await asyncio.sleep(0)
    assert False


@pytest.mark.xfail
async def test_expected_to_fail():
    await asyncio.wait_for(asyncio.sleep(5), 0.01)


async def test_teardown_fails(queue):
    await asyncio.sleep(0)
