# SPDX-License-Identifier: MIT
import pytest


@pytest.mark.parametrize("n", range(4))
def test_own_copy(datadir, n):
    file = datadir / "hello.txt"
    assert file.read_text() == "hello\n"
    file.write_text("changed")


def test_shared(shared_datadir):
    assert (shared_datadir / "shared.txt").read_text() == "shared\n"


def test_missing(datadir):
    (datadir / "nothing.txt").read_text()
