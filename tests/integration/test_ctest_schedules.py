# SPDX-License-Identifier: MIT
"""CTest's promises in whatever order its tests come: locks exclude, fixtures surround, RUN_SERIAL is alone. Judged by the events."""
import os
import subprocess

import pytest
from adapters import Project
from conftest import clean_environment

ROUNDS = int(os.environ.get("SCHEDULES", "6"))  # of random orders
WORKERS = 4
CTEST = ("ctest", "--test-dir", "build")

# name: (locks, fixtures that it requires, other properties)
TESTS = {
    **{f"a{i}": (["one"], [], "") for i in range(5)},
    **{f"b{i}": (["one", "two"], [], "") for i in range(5)},
    **{f"db{i}": ([], ["db"], "") for i in range(4)},
    **{f"net{i}": (["two"], ["db", "net"], "") for i in range(4)},
    **{f"free{i}": ([], [], "") for i in range(4)},
    "db_up": ([], [], "FIXTURES_SETUP db"),
    "db_down": ([], [], "FIXTURES_CLEANUP db"),
    "net_up": ([], ["db"], "FIXTURES_SETUP net"),
    "net_down": ([], ["db"], "FIXTURES_CLEANUP net"),
    "serial": ([], [], "RUN_SERIAL ON"),
    "wide": ([], [], f"PROCESSORS {WORKERS}"),
    "first": ([], [], ""),
    "second": (["one"], [], "DEPENDS first"),
}


def cmake(name):
    locks, fixtures, more = TESTS[name]
    properties = f'RESOURCE_LOCK "{";".join(locks)}" ' if locks else ""
    properties += f'FIXTURES_REQUIRED "{";".join(fixtures)}" ' if fixtures else ""
    properties += more
    text = f"add_test(NAME {name} COMMAND sleep 0.01)\n"
    return text + (f"set_tests_properties({name} PROPERTIES {properties})\n" if properties else "")


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    project = Project(tmp_path / "p")
    head = "cmake_minimum_required(VERSION 3.14)\nproject(p NONE)\nenable_testing()\n"
    project.write("CMakeLists.txt", head + "".join(map(cmake, TESTS)))
    subprocess.run(["cmake", "-B", "build"], cwd=project.path, check=True, capture_output=True, env=clean_environment())
    return project


def violations(events):
    """What `events` (test-start and test-end) do against the properties of TESTS."""
    start = {e["id"]: i for i, e in enumerate(events) if e["event"] == "test-start"}
    end = {e["id"]: i for i, e in enumerate(events) if e["event"] == "test-end"}
    found = []

    def before(a, b):
        if not end[a] < start[b]:
            found.append(f"{b} started before {a} ended")

    def apart(a, b):
        if start[a] < end[b] and start[b] < end[a]:
            found.append(f"{a} and {b} at the same time")

    for a, (locks, fixtures, more) in TESTS.items():
        for b, (other_locks, _, _) in TESTS.items():
            if a < b and set(locks) & set(other_locks):
                apart(a, b)
            if a != b and more.startswith(("RUN_SERIAL", "PROCESSORS")):
                apart(a, b)
        for fixture in fixtures:
            if a != f"{fixture}_up":
                before(f"{fixture}_up", a)
            if a != f"{fixture}_down":
                before(a, f"{fixture}_down")
    before("first", "second")
    return found


def test_violations_are_seen():
    """The judge itself: one after the other in a good order there are none; turned round, there are."""
    order = ["db_up", "net_up", *[t for t in TESTS if "_" not in t], "net_down", "db_down"]
    events = [{"event": f"test-{what}", "id": test} for test in order for what in ("start", "end")]
    assert violations(events) == []
    turned = [{"event": f"test-{what}", "id": test} for test in reversed(order) for what in ("start", "end")]
    assert len(violations(turned)) > 10
    at_once = [{"event": f"test-{what}", "id": test} for what in ("start", "end") for test in order]
    assert {"a0 and b0 at the same time", "serial and free0 at the same time"} <= set(violations(at_once))


@pytest.mark.parametrize("seed", range(1, ROUNDS + 1))
def test_random_orders_keep_locks_and_fixtures(project, seed):
    result = project.run("-n", WORKERS, "--order=random", "--seed", seed, command=CTEST)
    assert result.status == 0 and result.outcomes == dict.fromkeys(TESTS, "passed"), result
    found = violations([e for e in result.events if e["event"] in ("test-start", "test-end")])
    assert not found, (seed, found)


def test_longest_first_keeps_locks_and_fixtures(project):
    project.history = True
    for _ in range(2):  # the second one knows how long they take
        result = project.run("-n", WORKERS, command=CTEST)
        assert result.status == 0, result
        assert not violations([e for e in result.events if e["event"] in ("test-start", "test-end")])
