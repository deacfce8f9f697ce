# SPDX-License-Identifier: MIT
import pytest
import trio
import trio.testing


@pytest.mark.parametrize("n", range(5))
@trio.testing.trio_test
async def test_nursery(n):
    found = []

    async def child(i):
        await trio.sleep(0.001)
        found.append(i)

    async with trio.open_nursery() as nursery:
        for i in range(3):
            nursery.start_soon(child, i)
    assert sorted(found) == [0, 1, 2]


@trio.testing.trio_test
async def test_thread():
    assert await trio.to_thread.run_sync(lambda: 5) == 5


@trio.testing.trio_test
async def test_process():
    done = await trio.run_process(["echo", "hello"], capture_stdout=True)
    assert done.stdout == b"hello\n"


@trio.testing.trio_test
async def test_fails():
    await trio.sleep(0)
    assert False


def test_run(autojump_clock):
    assert trio.run(trio.sleep, 0) is None


@pytest.fixture
def autojump_clock():
    return trio.testing.MockClock(autojump_threshold=0)
