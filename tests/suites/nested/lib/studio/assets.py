# SPDX-License-Identifier: MIT
"""Discovery of assets in a tree that others change meanwhile."""
import os
import threading

KINDS = {".png": "image", ".jpg": "image", ".wav": "sound", ".ogg": "sound", ".txt": "text"}


def kind_of(name):
    return KINDS.get(os.path.splitext(name)[1].lower(), "other")


def discover(root):
    """All files below root with their kind, sorted. What vanishes during the walk is left out."""
    found = []
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            try:
                size = os.stat(path).st_size
            except FileNotFoundError:
                continue
            found.append((os.path.relpath(path, root), kind_of(name), size))
    return sorted(found)


class Watcher:
    """Polls for the first file in a directory and calls back; stop() ends its thread."""

    def __init__(self, directory, callback, interval=0.01):
        self._directory = directory
        self._callback = callback
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def _run(self):
        seen = set()
        while not self._stopped.wait(self._interval):
            now = set(os.listdir(self._directory)) if os.path.isdir(self._directory) else set()
            for name in sorted(now - seen):
                self._callback(name)
            seen = now

    def stop(self):
        self._stopped.set()
        self._thread.join()
