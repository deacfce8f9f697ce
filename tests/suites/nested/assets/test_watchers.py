# SPDX-License-Identifier: MIT
"""Watchers of directories."""
import threading

from studio import assets


def test_watcher_is_told(tmp_path):
    told = threading.Event()
    watcher = assets.Watcher(tmp_path, lambda name: told.set())
    (tmp_path / "new.png").touch()
    assert told.wait(5)
    watcher.stop()


def test_watcher_stops(tmp_path):
    before = threading.active_count()
    watcher = assets.Watcher(tmp_path, print)
    watcher.stop()
    assert threading.active_count() == before


def test_watcher_of_nothing(tmp_path):
    watcher = assets.Watcher(tmp_path / "missing", print)
    watcher.stop()


def test_watchers_see_the_first_change(tmp_path):
    """Misuse: 24 watchers, none of which is ever stopped: their threads outlive the test."""
    told = threading.Semaphore(0)
    for _ in range(24):
        assets.Watcher(tmp_path, lambda name: told.release(), interval=0.5)
    (tmp_path / "new.png").touch()
    for _ in range(24):
        assert told.acquire(timeout=5)
