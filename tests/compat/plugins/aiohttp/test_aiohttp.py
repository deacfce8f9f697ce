# SPDX-License-Identifier: MIT
import pytest
from aiohttp import web


async def hello(request):
    return web.Response(text="hello")


@pytest.fixture
def cli(event_loop, aiohttp_client):
    app = web.Application()
    app.router.add_get("/", hello)
    return event_loop.run_until_complete(aiohttp_client(app))


@pytest.mark.parametrize("n", range(6))
async def test_hello(cli, n):
    answer = await cli.get("/")
    assert await answer.text() == "hello"


async def test_missing(cli):
    answer = await cli.get("/nothing")
    assert answer.status == 200


async def test_server(aiohttp_server):
    server = await aiohttp_server(web.Application())
    assert server.port
