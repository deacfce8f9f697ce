# SPDX-License-Identifier: MIT
import pytest
import pytest_twisted
from twisted.internet import defer, protocol, reactor, task, threads


@pytest.mark.parametrize("n", range(6))
@pytest_twisted.inlineCallbacks
def test_later(n):
    value = yield task.deferLater(reactor, 0.01, lambda: n)
    assert value == n


@pytest_twisted.ensureDeferred
async def test_coroutine():
    assert await task.deferLater(reactor, 0.01, lambda: 5) == 5


class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)
        self.transport.loseConnection()


class Client(protocol.Protocol):
    def connectionMade(self):
        self.got = b""
        self.transport.write(b"hello")

    def dataReceived(self, data):
        self.got += data

    def connectionLost(self, reason=None):
        self.factory.done.callback(self.got)


@pytest.mark.parametrize("n", range(6))
@pytest_twisted.inlineCallbacks
def test_echo(n):
    port = reactor.listenTCP(0, protocol.Factory.forProtocol(Echo), interface="127.0.0.1")
    factory = protocol.ClientFactory.forProtocol(Client)
    factory.done = defer.Deferred()
    reactor.connectTCP("127.0.0.1", port.getHost().port, factory)
    assert (yield factory.done) == b"hello"
    yield port.stopListening()


@pytest_twisted.inlineCallbacks
def test_thread():
    assert (yield threads.deferToThread(lambda: 7)) == 7


@pytest_twisted.inlineCallbacks
def test_fails():
    yield task.deferLater(reactor, 0.01, lambda: None)
    assert False
