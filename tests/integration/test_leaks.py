# SPDX-License-Identifier: MIT
"""What tests leave behind: listening sockets, files in /tmp, and --leaks=ignore|record|fail. Tasks: test_verdicts.py."""
import os
import re
import xml.etree.ElementTree as ET

import pytest
from conftest import needs_cgroups

pytestmark = pytest.mark.usefixtures("no_leftovers")

SOCKETS = """
    import http.server, socket, threading, pytest

    kept = []

    def test_before(): pass

    def test_left():
        kept.append(socket.create_server(("127.0.0.1", 0)))

    def test_left_unix(tmp_path):
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "s"))
        server.listen()
        kept.append(server)

    def test_after(): pass
"""

# None of these leaves anything.
TIDY = """
    import gc, http.server, os, socket, tempfile, threading, pytest

    def serving():
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
        return server

    @pytest.fixture(scope="module")
    def server():
        server = serving()
        directory = tempfile.mkdtemp()
        yield server
        server.shutdown()
        server.server_close()
        os.rmdir(directory)

    @pytest.fixture
    def brief():
        with socket.create_server(("127.0.0.1", 0)) as s:
            yield s

    def test_wider_fixture(server): pass
    def test_wider_fixture_again(server): pass
    def test_own_fixture(brief): pass

    def test_closed():
        socket.create_server(("127.0.0.1", 0)).close()

    def test_out_of_sight():
        socket.create_server(("127.0.0.1", 0))

    def test_out_of_reach():
        cycle = [socket.create_server(("127.0.0.1", 0))]
        cycle.append(cycle)

    def test_closed_a_moment_later():
        server = socket.create_server(("127.0.0.1", 0))
        timer = threading.Timer(0.02, server.close)
        timer.start()

    def test_not_listening():
        test_not_listening.socket = socket.socket()

    def test_temporary(tmp_path):
        (tmp_path / "kept by pytest").write_text("x")
        with tempfile.TemporaryDirectory(), tempfile.NamedTemporaryFile():
            pass

    def test_removed_at_exit():
        import atexit, shutil
        atexit.register(shutil.rmtree, tempfile.mkdtemp(dir="/tmp"))
"""


def leaks(result):
    assert all(i["verdict"] == "leak" for i in result.incidents), result
    return {i["id"].split("::")[-1]: (i["text"], i["evidence"]) for i in result.incidents}


def own_tmp(result):
    return bool(re.search(r"each worker its own,[^;]*/tmp", result.stderr))


@pytest.mark.parametrize("server", ["auto", "off"])
def test_listening_sockets_are_named_with_their_line(suite, server):
    suite.write(test_a=SOCKETS)
    result = suite.run("-n", 1, "--fork-server", server)
    found = leaks(result)
    assert sorted(found) == ["test_left", "test_left_unix"], result
    assert found["test_left"][0] == "left 1 listening socket behind"
    assert re.fullmatch(r"127\.0\.0\.1:\d+ opened at test_a\.py:9", found["test_left"][1])
    assert re.fullmatch(r"unix socket '.*/s' opened at test_a\.py:14", found["test_left_unix"][1])
    assert result.status == 0 and set(result.outcomes.values()) == {"passed"}


@needs_cgroups
@pytest.mark.parametrize("leaks_option", ["record", "fail"])
def test_who_is_tidy_is_not_blamed(suite, leaks_option):
    suite.write(test_a=TIDY)
    result = suite.run("-n", 1, "--leaks", leaks_option)
    found = leaks(result)
    found.pop("test_closed_a_moment_later", None)  # on a machine that is slow enough it lives on
    assert found == {}, result
    assert {v for k, v in result.outcomes.items() if "moment_later" not in k} == {"passed"}


def test_files_in_tmp_are_named(suite):
    suite.write(
        test_a="""
        import os, tempfile
        def test_before(): pass
        def test_left():
            open("/tmp/shunt-left-here", "w").close()
            os.mkdir("/tmp/shunt-left-directory")
        def test_after(): pass
        def test_one():
            open("/tmp/shunt-left-later", "w").close()
        """
    )
    result = suite.run("-n", 1)
    if not own_tmp(result):
        for name in ("here", "later"):
            os.unlink(f"/tmp/shunt-left-{name}")
        os.rmdir("/tmp/shunt-left-directory")
        assert result.incidents == []
        pytest.skip("workers have no /tmp of their own here")
    found = leaks(result)
    assert sorted(found) == ["test_left", "test_one"], result
    assert found["test_left"][0] == "left 2 files in /tmp behind"
    assert set(found["test_left"][1].split(", ")) == {"/tmp/shunt-left-here", "/tmp/shunt-left-directory/"}
    assert found["test_one"] == ("left 1 file in /tmp behind", "/tmp/shunt-left-later")
    assert not os.path.exists("/tmp/shunt-left-here")


@needs_cgroups
def test_leaks_fail(suite):
    """One outcome, also for pytest: what is held back is shown once, as failed."""
    suite.write(
        test_a="""
        import os, threading, time
        def test_before(): pass
        def test_threads():
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        def test_between(): pass
        def test_processes():
            os.system("sleep 60 >/dev/null 2>&1 & sleep 60 >/dev/null 2>&1 & exec true")
        def test_already_failed():
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            assert 0, "for its own reason"
        def test_brief():
            threading.Thread(target=time.sleep, args=(0.02,)).start()
        def test_after(): pass
        """
    )
    result = suite.run("-n", 1, "--leaks=fail", "--junit", "j.xml", pytest_args=["-rA", "--junitxml=own.xml"])
    assert {k.split("::")[-1]: v for k, v in result.outcomes.items()} == {
        "test_before": "passed", "test_threads": "failed", "test_between": "passed", "test_processes": "failed",
        "test_already_failed": "failed", "test_brief": "passed", "test_after": "passed",
    }, result
    assert result.status == 1
    assert [(i["id"].split("::")[-1], i["next"]) for i in result.incidents] == [
        ("test_threads", "failed"), ("test_processes", "failed"), ("test_already_failed", "recorded"),
    ]
    assert result.incidents[1]["evidence"] == "2 processes named sleep"
    assert "FAILED test_a.py::test_threads - leak: left 1 task behind" in result.stdout
    assert "3 failed, 4 passed" in result.stdout, result
    for path in ("j.xml", "own.xml"):
        failures = {c.get("name"): c.find("failure").get("message") for c in ET.parse(suite.path / path).iter("testcase")
                    if c.find("failure") is not None}
        assert sorted(failures) == ["test_already_failed", "test_processes", "test_threads"], path
        assert "left 2 tasks behind" in failures["test_processes"], failures
        assert "for its own reason" in failures["test_already_failed"], failures


@needs_cgroups
def test_leaks_ignore(suite):
    suite.write(
        test_a="""
        import socket, threading, time
        kept = []
        def test_it():
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            kept.append(socket.create_server(("127.0.0.1", 0)))
            open("/tmp/shunt-left-ignored", "w").close()
        """
    )
    result = suite.run("-n", 1, "--leaks=ignore")
    if not own_tmp(result):
        os.unlink("/tmp/shunt-left-ignored")
    assert result.incidents == [] and result.status == 0
    assert "leak" not in result.stderr, result


@needs_cgroups
def test_a_held_result_survives_its_worker(suite):
    """The thread that was left ends the worker while the result is still held."""
    suite.write(
        test_a="""
        import os, threading, time
        def test_before(): pass
        def test_it():
            threading.Thread(target=lambda: (time.sleep(0.1), os._exit(7)), daemon=True).start()
        def test_after(): pass
        """
    )
    result = suite.run("-n", 1, "--leaks=fail")
    outcomes = {k.split("::")[-1]: v for k, v in result.outcomes.items()}
    assert outcomes["test_before"] == outcomes["test_after"] == "passed", result
    revised = [(e["id"].split("::")[-1], e["was"], e["outcome"]) for e in result.of("test-revised")]
    assert revised == [("test_it", "passed", "killed")] and outcomes["test_it"] == "passed", result
    assert ("test_it", "exit") in result.verdicts()
    assert result.status == 1


@needs_cgroups
def test_maxfail_counts_a_leak(suite):
    suite.write(
        test_a="""
        import threading, time
        def test_it():
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        def test_after(): pass
        """
    )
    result = suite.run("-n", 1, "--leaks=fail", "-x")
    assert {k.split("::")[-1]: v for k, v in result.outcomes.items()} == {"test_it": "failed", "test_after": "not-run"}


@pytest.mark.parametrize(
    "field",
    ['"left": 1', '"left": [1]', '"left": [{"fd": -1, "inode": 1, "text": "x"}]', '"left": [{"fd": 3, "inode": 1}]',
     '"left": [{"fd": 3, "inode": 1, "text": "' + "x" * 300 + '"}]', '"kept_files": "x"', '"kept_files": [7]',
     '"kept_files": ["' + "x" * 300 + '"]'],
)
def test_what_a_worker_says_is_checked(suite, field):
    suite.write(
        test_a=f"""
        import json
        from shunt_pytest.channel import Channel
        def test_it():
            send = Channel.send
            def sent(self, header, *args, **kwargs):
                if header["t"] == "done":
                    header.update(json.loads('''{{{field}}}'''))
                return send(self, header, *args, **kwargs)
            Channel.send = sent
        """
    )
    result = suite.run("-n", 1)
    assert result.verdicts() == [("test_it", "protocol")], result
    assert "malformed" in result.incidents[0]["text"]


def test_a_leak_is_said_though_the_next_test_breaks_out_at_once(suite):
    """Its worker is ended before the 50 ms are over after which a leak is one."""
    suite.write(
        test_a="""
        import threading, time

        def test_leaves_a_thread():
            threading.Thread(target=threading.Event().wait, daemon=True).start()

        def test_storms():
            time.sleep(0.03)
            for _ in range(100):
                threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
        """
    )
    result = suite.run("-n", 1, "--tasks", 32)
    leaks = [i["id"] for i in result.incidents if i["verdict"] == "leak"]
    assert "test_a.py::test_leaves_a_thread" in leaks, result
    assert [i["verdict"] for i in result.incidents].count("tasks") >= 1, result


def test_what_a_leftover_starts_later_is_no_leak_of_the_test_that_runs_then(suite):
    """With --leaks=fail an innocent test failed for it."""
    suite.write(
        test_a="""
        import subprocess, time

        def test_leaves_a_process():
            subprocess.Popen(["sh", "-c", "sleep 0.3; sleep 60; true"])

        def test_innocent():
            time.sleep(1.5)
        """,
    )
    result = suite.run("-n", 1, "--leaks=fail")
    assert [i["id"].split("::")[1] for i in result.incidents] == ["test_leaves_a_process"], result
    assert "1 passed, 1 failed" in result.stderr, result
