# SPDX-License-Identifier: MIT
"""Atomic writing in the real world: readers, rivals, full disks and crashes."""
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from studio import atomic


def test_creates(tmp_path):
    atomic.write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_replaces(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    atomic.write(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_mode(tmp_path, mode):
    atomic.write(tmp_path / "a", b"", mode)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_missing_directory(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "no" / "a", b"")


def test_failure_leaves_the_old(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError):
        atomic.write(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("readers", [1, 4])
def test_readers_see_all_or_nothing(tmp_path, readers):
    path = tmp_path / "a"
    versions = [bytes([65 + i]) * 4096 for i in range(4)]
    atomic.write(path, versions[0])
    done = threading.Event()
    torn = []

    def read():
        while not done.is_set():
            data = path.read_bytes()
            if data not in versions:
                torn.append(data)

    crowd = [threading.Thread(target=read) for _ in range(readers)]
    for thread in crowd:
        thread.start()
    for i in range(60):
        atomic.write(path, versions[i % 4])
    done.set()
    for thread in crowd:
        thread.join()
    assert not torn


def test_rivals_in_threads(tmp_path):
    path = tmp_path / "a"
    rivals = [threading.Thread(target=atomic.write, args=(path, b"%d" % i)) for i in range(10)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert path.read_bytes() in [b"%d" % i for i in range(10)]
    assert os.listdir(tmp_path) == ["a"]


def test_killed_in_the_middle(tmp_path):
    """A writer that dies by SIGKILL leaves the old file."""
    path = tmp_path / "a"
    path.write_bytes(b"old")
    script = (
        "import sys, time\n"
        "half = open(sys.argv[1] + '.aside', 'wb')\n"
        "half.write(b'n')\n"
        "print('writing', flush=True)\n"
        "time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-S", "-c", script, path], stdout=subprocess.PIPE)
    writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    assert path.read_bytes() == b"old"


def test_claim_is_exclusive(tmp_path):
    with atomic.claim(tmp_path / "lock"):
        with pytest.raises(FileExistsError):
            with atomic.claim(tmp_path / "lock"):
                pass
    assert not (tmp_path / "lock").exists()


def test_one_of_many_claims(tmp_path):
    won, lost = [], []

    def race(i):
        try:
            with atomic.claim(tmp_path / "lock"):
                won.append(i)
                time.sleep(0.05)
        except FileExistsError:
            lost.append(i)

    crowd = [threading.Thread(target=race, args=(i,)) for i in range(8)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert len(won) + len(lost) == 8
    assert won
