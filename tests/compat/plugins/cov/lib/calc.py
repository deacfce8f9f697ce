# SPDX-License-Identifier: MIT
"""What the suite measures: lines that tests, their fixtures' teardowns, children and threads reach."""
import threading


def add(a, b):
    if a > 100:
        return -1
    return a + b


def teardown_only():
    kept = []
    kept.append(1)
    return kept


def in_thread():
    found = []

    def target():
        found.append(add(1, 2))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return found


def in_child(queue):
    total = 0
    for i in range(3):
        total += i
    queue.put(total)


def at_session_end():
    return "session"


def never():
    return "never"
