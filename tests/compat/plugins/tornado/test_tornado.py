# SPDX-License-Identifier: MIT
import pytest
import tornado.gen
import tornado.web


class Main(tornado.web.RequestHandler):
    def get(self):
        self.write("hello")


@pytest.fixture
def app():
    return tornado.web.Application([(r"/", Main)])


@pytest.mark.parametrize("n", range(5))
@pytest.mark.gen_test
def test_hello(http_client, base_url, n):
    answer = yield http_client.fetch(base_url)
    assert answer.body == b"hello"


@pytest.mark.gen_test(timeout=0.2)
def test_too_slow():
    yield tornado.gen.sleep(5)


@pytest.mark.gen_test
async def test_coroutine(http_client, base_url):
    answer = await http_client.fetch(base_url + "/none", raise_error=False)
    assert answer.code == 404
