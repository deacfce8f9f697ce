# SPDX-License-Identifier: MIT
"""Makes tests of two workers overlap for certain: each waits until the other has come as far."""
import pathlib
import shutil
import time

import pytest

MEETING = pathlib.Path(__file__).parent / ".meeting"
PATIENCE = 10  # seconds; alone (plain pytest) nobody comes, and the test goes on


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):  # not once more in each worker of xdist
        shutil.rmtree(MEETING, ignore_errors=True)
        MEETING.mkdir(mode=0o777)


@pytest.fixture
def meet(request):
    """meet("there"): returns once the test of this name in the other file has said the same."""

    def meet(where):
        mine = f"{request.node.name}-{where}-"
        (MEETING / (mine + request.module.__name__)).touch()
        deadline = time.monotonic() + PATIENCE
        while len(list(MEETING.glob(mine + "*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)

    return meet
