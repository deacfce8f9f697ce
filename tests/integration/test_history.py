# SPDX-License-Identifier: MIT
"""What a run learns from the ones before it: .shunt/history.db."""
import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile

import pytest
from conftest import SHUNT, Suite, clean_environment, needs_cgroups

OFFENDERS = """
import os, threading, time, pytest
def hold(n):
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(n)]
    try:
        for t in threads: t.start()
    finally:
        stop.set()
        for t in threads:
            if t.ident: t.join()
@pytest.mark.parametrize("i", range(12))
def test_small(i): pass
def test_storm():
    hold(int(os.environ.get("STORM", "90")))
"""
DIES = """
import os, pytest
@pytest.mark.parametrize("i", range(12))
def test_small(i): pass
def test_dies():
    if os.environ.get("DIES") == "always" or (os.environ.get("DIES") and "xdist" not in os.environ):
        os._exit(3)
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite"
    path.mkdir()
    suite = Suite(path)
    suite.history = True
    return suite


def database(suite):
    return suite.path / ".shunt" / "history.db"


def lanes(result):
    """Lanes of each test, by the last part of its id."""
    found = {}
    for e in result.of("test-start"):
        found.setdefault(e["id"].split("::")[-1], []).append(e["lane"])
    return found


def read(result):
    return [e for e in result.of("history") if e["what"] == "read"][0]


def notices(result):
    return [e["text"] for e in result.of("notice")]


@contextlib.contextmanager
def sql(suite):
    """A connection of its own; "with sqlite3.connect()" would leave it open, and shunt waiting for its lock."""
    with contextlib.closing(sqlite3.connect(database(suite))) as db, db:
        yield db


def history(suite, *options, cwd=None):
    done = subprocess.run(
        [str(SHUNT), "history", *map(str, options)], cwd=cwd or suite.path, env=clean_environment(),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done


def document(suite, *options):
    done = history(suite, "--json", *options)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def storm_then(suite, *options, **kwargs):
    """A first run in which test_storm breaks out, then another one."""
    suite.write(test_a=OFFENDERS)
    first = suite.run("-n", 2, "--tasks", 40)
    assert first.verdicts() == [("test_storm", "tasks")], first
    return suite.run(*(options or ("-n", 2, "--tasks", 40)), **kwargs)


@needs_cgroups
def test_the_second_run_kills_nobody(suite):
    result = storm_then(suite)
    assert result.incidents == [], result
    assert lanes(result)["test_storm"] == ["serial"]
    assert [o for t, o in result.outcomes.items() if "storm" in t] == ["passed-serial"]
    text = [n for n in notices(result) if "--relearn" in n]
    assert text == [
        "1 test starts in the serial lane: history (test_a.py::test_storm [tasks]); --relearn tries it in parallel again"
    ]
    assert "history: 40 of 40 tasks in 1 of 1 run; passed alone; mark it parallel_unsafe" in result.stderr
    assert result.status == 0


@needs_cgroups
def test_on_reroute_fail_fails_in_each_run(suite):
    """What is red in the first run does not turn green by being remembered."""
    result = storm_then(suite, "-n", 2, "--tasks", 40, "--on-reroute", "fail")
    assert result.incidents == [] and result.status == 1, result


@needs_cgroups
def test_relearn_and_no_history_and_wider_limits_try_again(suite):
    result = storm_then(suite, "-n", 2, "--tasks", 40, "--relearn")
    assert result.verdicts() == [("test_storm", "tasks")], result
    assert "2 of 2" in storm_text(suite.run("-n", 2, "--tasks", 40))
    before = database(suite).read_bytes()
    result = suite.run("-n", 2, "--tasks", 40, "--no-history")
    assert result.verdicts() == [("test_storm", "tasks")], result
    assert database(suite).read_bytes() == before
    result = suite.run("-n", 2, "--tasks", 200)
    assert lanes(result)["test_storm"] == ["parallel"], result


def storm_text(result):
    return [e["message"] for e in result.of("test-end") if "storm" in e["id"]][0]


@needs_cgroups
def test_what_is_not_rerouted_is_not_moved_either(suite):
    result = storm_then(suite, "-n", 2, "--tasks", 40, "--reroute=-tasks")
    assert lanes(result)["test_storm"] == ["parallel"], result


def test_evidence_expires(suite):
    """A test that died once runs alone three times without dying, and goes back."""
    suite.write(test_a=DIES)
    assert ("test_dies", "exit") in suite.run("-n", 2, env={"DIES": "always"}).verdicts()
    for _ in range(3):
        result = suite.run("-n", 2)
        assert lanes(result)["test_dies"] == ["serial"], result
    assert lanes(suite.run("-n", 2))["test_dies"] == ["parallel"]
    assert ("test_dies", "exit") in suite.run("-n", 2, env={"DIES": "always"}).verdicts()
    for _ in range(6):  # a relapse: twice as many
        result = suite.run("-n", 2)
        assert lanes(result)["test_dies"] == ["serial"], result
    assert lanes(suite.run("-n", 2))["test_dies"] == ["parallel"]


@needs_cgroups
def test_measured_need_keeps_it_there(suite):
    result = storm_then(suite)
    for _ in range(4):
        result = suite.run("-n", 2, "--tasks", 40)
    assert lanes(result)["test_storm"] == ["serial"], result


def spoil_text(suite):
    database(suite).write_text("what is this\n" * 1000)


def spoil_foreign(suite):
    database(suite).unlink()
    with sql(suite) as db:
        db.execute("CREATE TABLE people (name TEXT)")


def spoil_newer(suite):
    with sql(suite) as db:
        db.execute("PRAGMA user_version=7")


def spoil_link(suite):
    database(suite).rename(suite.path / "mine.db")
    database(suite).symlink_to(suite.path / "mine.db")


@pytest.mark.parametrize("spoil", [spoil_text, spoil_foreign, spoil_newer, spoil_link])
def test_a_bad_file_is_set_aside(suite, spoil):
    suite.write(test_a="def test_it(): pass")
    assert suite.run("-n", 2).status == 0
    spoil(suite)
    kept = database(suite).read_bytes()
    result = suite.run("-n", 2)
    assert result.status == 0 and result.outcomes == {"test_a.py::test_it": "passed"}, result
    assert [n for n in notices(result) if "set aside as history.db.bad-1" in n], result
    assert (database(suite).parent / "history.db.bad-1").read_bytes() == kept  # of a link: what it points to
    assert document(suite)["runs"] == 1
    assert notices(suite.run("-n", 2)) == []


def test_a_test_that_replaces_the_file(suite):
    suite.write(
        test_a="""
        import os, pathlib
        def test_it():
            for name in ("history.db", "history.db-wal", "history.db-journal"):
                path = pathlib.Path(".shunt", name)
                path.parent.mkdir(exist_ok=True)
                path.unlink(missing_ok=True)
                path.write_bytes(os.urandom(70000))
        def test_other(): pass
        """
    )
    for _ in range(5):
        result = suite.run("-n", 2)
        assert result.status == 0 and set(result.outcomes.values()) == {"passed"}, result
        assert [n for n in notices(result) if "set aside" in n], result
    assert document(suite)["runs"] == 1
    assert len(list(database(suite).parent.glob("*.bad-*"))) == 3


def test_two_runs_at_once(suite):
    suite.write(test_a="import pytest, time\n@pytest.mark.parametrize('i', range(20))\ndef test_it(i): time.sleep(0.01)")
    running = [suite.start("-n", 2) for _ in range(3)]
    for process in running:
        process.communicate(timeout=100)
        assert process.returncode == 0
    got = document(suite)
    assert got["runs"] == 3 and {t["runs"] for t in got["tests"]} == {3}


def test_somebody_holds_the_lock(suite):
    """For longer than anybody waits: the run is green, and says it only where the file was asked for."""
    suite.write(test_a="def test_it(): pass")
    assert suite.run("-n", 1).status == 0
    with sql(suite) as db:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        result = suite.run("-n", 1)
        assert result.status == 0 and notices(result) == [], result
        assert "locked" in read(result)["trouble"]
        result = suite.run("-n", 1, "--history", ".shunt/history.db")
        assert result.status == 0, result
        (text,) = notices(result)  # once, not for reading and for writing
        assert text.startswith("the history was not read: .shunt/history.db: database is locked"), result
        db.rollback()


@pytest.fixture
def open_suite():
    """A suite that another user may run and write to; pytest keeps its own directories closed."""
    with tempfile.TemporaryDirectory() as top:
        path = pathlib.Path(top, "suite")
        path.mkdir()
        pathlib.Path(top).chmod(0o755)
        path.chmod(0o777)
        suite = Suite(path)
        suite.history = True
        yield suite


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_an_ordinary_user_and_a_directory_of_others(open_suite):
    suite = open_suite
    prefix = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "env", "HOME=/tmp"]
    suite.write(test_a="def test_it(): pass")
    if subprocess.run([*prefix, "test", "-x", str(SHUNT)], check=False).returncode:
        pytest.skip("another user cannot reach the build")
    result = suite.run("-n", 1, prefix=prefix)
    assert result.status == 0, result
    assert database(suite).stat().st_uid == 1000
    for path in (database(suite), database(suite).parent):
        os.chown(path, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = database(suite).read_bytes()
    result = suite.run("-n", 1, prefix=prefix)  # it can read, and not write
    assert result.status == 0 and notices(result) == [], result
    assert read(result)["tests"] == 1 and result.of("history")[-1]["trouble"], result
    assert database(suite).read_bytes() == before
    result = suite.run("-n", 1, "--history", ".shunt/history.db", prefix=prefix)
    assert result.status == 0 and len([n for n in notices(result) if "was not written" in n]) == 1, result


def test_where_it_is_and_what_ignores_it(suite):
    suite.write(a__test_a="def test_it(): pass")
    (suite.path / "pytest.ini").write_text("[pytest]\n")
    result = suite.run("-n", 1, pytest_args=["a"])
    assert result.status == 0 and (database(suite).parent / ".gitignore").read_text() == "*\n"
    other = suite.path / "cache.db"
    assert suite.run("-n", 1, "--history", other).status == 0
    assert document(suite, "--file", other)["runs"] == 1
    assert document(suite)["root"] == str(suite.path)
    assert history(suite, cwd=suite.path / "a").stdout.startswith("1 run, 1 tests")


def test_hardened_has_a_history_too(suite):
    suite.write(test_a="def test_it(): pass")
    result = suite.run("-n", 1, "--policy", "hardened")
    if result.status == 6:
        pytest.skip("no hardened sandbox here")
    assert result.status == 0 and database(suite).exists(), result


@needs_cgroups
def test_the_document(suite):
    storm_then(suite)
    got = document(suite, "storm")
    (test,) = got["tests"]
    assert got["schema"] == 1 and got["runs"] == 2
    assert test["id"] == "test_a.py::test_storm" and test["file"] == "test_a.py"
    assert test["peak_tasks"] >= 90 and test["peak_tasks_lane"] == "serial"
    assert test["serial_outcome"] == "passed" and test["last_lane"] == "serial" and test["why"] == "history"
    (incident,) = test["incidents"]
    assert incident["verdict"] == "tasks" and incident["limit"] == 40 and incident["runs"] == 1
    assert incident["text"].startswith("40 of 40 tasks")
    assert [r["why"] for r in test["results"]] == ["history", "reroute"]
    text = history(suite).stdout
    assert "in 1 of 1 run beside others; needs 9" in text and "alone: passed" in text
    assert "passed-serial serial" in history(suite, "storm").stdout


def test_markers_are_told_apart(suite):
    suite.write(
        test_a="""
        import pytest
        @pytest.mark.parallel_unsafe
        def test_marked(): pass
        def test_free(): pass
        """
    )
    suite.run("-n", 2)
    tests = {t["id"].split("::")[-1]: t for t in document(suite)["tests"]}
    assert tests["test_marked"]["why"] == "marker" and tests["test_marked"]["last_lane"] == "serial"
    assert tests["test_marked"]["clean_runs"] == 1
    assert tests["test_free"]["why"] is None and tests["test_free"]["last_lane"] == "parallel"


def test_no_history_to_show(suite):
    done = history(suite)
    assert done.returncode == 4 and "there is no history here" in done.stderr
    suite.write(test_a="def test_it(): pass").run("-n", 1)
    done = history(suite, "nonsense")
    assert done.returncode == 4 and 'no test in the history has "nonsense" in its id' in done.stderr
    spoil_text(suite)
    done = history(suite)
    assert done.returncode == 3 and "is no history of shunt's" in done.stderr and "set" in done.stderr


def test_long_tests_are_dealt_out_first(suite):
    """The second run knows that one file takes all the time: each worker begins with half of it."""
    suite.write(
        test_a="import pytest\n@pytest.mark.parametrize('i', range(40))\ndef test_quick(i): pass",
        test_b="import pytest, time\n@pytest.mark.parametrize('i', range(4))\ndef test_slow(i): time.sleep(0.3)",
    )
    suite.run("-n", 2)
    result = suite.run("-n", 2)
    slow = {}
    for e in result.of("test-start"):
        if "slow" in e["id"]:
            slow.setdefault(e["worker"], []).append(e["id"])
    assert sorted(map(len, slow.values())) == [2, 2], result
    first = {}
    for e in result.of("test-start"):
        first.setdefault(e["worker"], e["id"])
    assert all("slow" in i for i in first.values()), first


def test_one_worker_keeps_the_order(suite):
    suite.write(
        test_a="import pytest\n@pytest.mark.parametrize('i', range(4))\ndef test_quick(i): pass",
        test_b="import time\ndef test_slow(): time.sleep(0.3)",
    )
    orders = [[e["id"] for e in suite.run("-n", 1).of("test-start")] for _ in range(3)]
    assert orders[0] == orders[1] == orders[2]


def test_a_heavy_test_holds_slots(suite):
    """It keeps two CPUs busy, so with two workers nothing runs beside it."""
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one CPU")
    suite.write(
        test_a="""
        import os, subprocess, sys, time
        BURN = "import time\\nend = time.process_time() + 0.6\\nwhile time.process_time() < end: pass"
        def note(text):
            with open("log", "a") as f:
                f.write(text + "\\n")
        def test_heavy():
            note("heavy begin")
            for p in [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(3)]:
                assert p.wait() == 0
            note("heavy end")
        """,
        test_b="""
        import pytest, time
        from test_a import note
        @pytest.mark.parametrize("i", range(30))
        def test_light(i):
            note("light")
            time.sleep(0.02)
        """,
    )
    with_history(suite, cpu_us=4_000_000, wall_us=1_000_000, test="test_heavy")
    (suite.path / "log").unlink()
    result = suite.run("-n", 2)
    assert result.status == 0, result
    lines = (suite.path / "log").read_text().splitlines()
    at = lines.index("heavy begin")
    assert lines[at + 1] == "heavy end", lines


def with_history(suite, test, **values):
    """A history that says so of one test, whatever this busy machine would measure."""
    assert suite.run("-n", 2).status == 0
    with sql(suite) as db:
        columns = ", ".join(f"{name}={value}" for name, value in values.items())
        assert db.execute(f"UPDATE tests SET {columns} WHERE id LIKE '%{test}'").rowcount == 1


def test_a_place_that_does_not_exist(suite):
    suite.write(test_a="def test_it(): pass")
    result = suite.run("-n", 1, "--history", "nowhere/history.db")
    assert result.status == 0 and len(notices(result)) == 1 and "nowhere/history.db" in notices(result)[0], result


@pytest.mark.parametrize("other", [("--relearn",), ("--history", "x.db")])
def test_no_history_excludes_the_others(suite, other):
    suite.write(test_a="def test_it(): pass")
    result = suite.run("--no-history", *other)
    assert result.status == 4 and f"--no-history and {other[0]} exclude each other" in result.stderr, result
