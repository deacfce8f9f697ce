# SPDX-License-Identifier: MIT
"""Refused system calls are named, charged to their test, and change no outcome by themselves."""
import json
import platform
import textwrap

import pytest

from conftest import ROOT

# Numbers are x86_64's.
CALLS = """
    import ctypes, errno, os, threading

    libc = ctypes.CDLL(None, use_errno=True)
    KEYCTL, UNSHARE, IO_URING_SETUP = 250, 272, 425

    def refused(number, *args):
        "The errno of a call; 0: it went through."
        return ctypes.get_errno() if libc.syscall(number, *args) < 0 else 0

    def call(number, *args):
        number = refused(number, *args)
        if number:
            raise OSError(number, os.strerror(number))
"""

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers are of x86_64")


def source(text):
    return textwrap.dedent(CALLS) + textwrap.dedent(text)


def denied(result, test=None):
    """(call, errno, count) of a test's events; of no test's."""
    return [
        (e["call"], e["errno"], e["count"])
        for e in result.of("denied")
        if (e["id"] or "-").split("::")[-1] == (test or "-")
    ]


def test_a_denial_changes_no_outcome(suite, tmp_path):
    junit = tmp_path / "junit.xml"
    suite.write(
        test_a=source(
            """
            def test_expects_it():
                for _ in range(3):
                    assert refused(KEYCTL, 0) == errno.EPERM

            def test_nothing(): pass
            """
        )
    )
    result = suite.run("-n", 2, "--junit", junit)
    assert result.status == 0, result
    assert set(result.outcomes.values()) == {"passed"}
    assert denied(result, "test_expects_it") == [("keyctl", "EPERM", 3)]
    assert denied(result, "test_nothing") == []
    event = result.of("denied")[0]
    assert event["policy"] == "standard" and event["profile"] == "seccomp/default.json", event
    assert "where" not in event
    assert "denied        1 call in 1 test: keyctl 3 (policy standard)" in result.stderr, result
    assert "denied: keyctl" not in result.stderr + result.stdout  # it passed: nothing to explain
    assert '<property name="shunt.denied" value="keyctl EPERM 3"/>' in junit.read_text()
    assert not result.incidents


def test_no_denial_is_no_line(suite):
    suite.write(test_a="import threading\ndef test_a():\n  t = threading.Thread(target=int)\n  t.start()\n  t.join()")
    result = suite.run("-n", 2)
    assert result.status == 0 and not result.of("denied"), result
    assert "denied" not in result.stderr


def test_a_failure_is_explained_with_its_line(suite):
    suite.write(
        test_a=source(
            """
            def test_fails():
                refused(UNSHARE, 0x10000000)
                raise OSError(refused(KEYCTL, 0), "no keys")  # HERE

            def test_fails_for_another_reason():
                assert refused(KEYCTL, 0) == 0
            """
        )
    )
    line = line_of(suite.path / "test_a.py")
    result = suite.run("-n", 1)
    assert result.status == 1, result
    assert denied(result, "test_fails") == [("unshare", "EPERM", 1), ("keyctl", "EPERM", 1)]
    where = {e["call"]: e.get("where") for e in result.of("denied") if e["id"].endswith("test_fails")}
    assert where == {"unshare": None, "keyctl": f"test_a.py:{line}"}
    assert "! test_a.py::test_fails failed, and calls of it were refused\n" in result.stderr
    text = f"    denied: keyctl (policy standard, seccomp/default.json), EPERM, at test_a.py:{line}\n"
    assert text in result.stderr, result
    assert "    denied: keyctl (policy standard, seccomp/default.json), EPERM\n" in result.stderr, result


def line_of(path, mark="# HERE"):
    return 1 + path.read_text().split(mark)[0].count("\n")


@pytest.mark.parametrize("raised", ["chained", "in_a_fixture", "in_a_library", "in_unittest"])
def test_the_line_behind_other_exceptions(suite, raised):
    suite.write(
        conftest=source(
            """
            import pytest, sys

            sys.path.append(os.path.join(os.path.dirname(__file__), "site-packages"))

            @pytest.fixture
            def keys():
                raise OSError(refused(KEYCTL, 0), "no keys")  # HERE in_a_fixture
            """
        ),
        test_a=source(
            """
            import unittest

            def wrapped():
                try:
                    raise OSError(refused(KEYCTL, 0), "no keys")  # HERE chained
                except OSError as error:
                    raise RuntimeError("no keys") from error

            def test_chained():
                wrapped()

            def test_in_a_fixture(keys): pass

            def test_in_a_library():
                import keyring_of_somebody
                keyring_of_somebody.call(250, 0)  # HERE in_a_library

            class TestIt(unittest.TestCase):
                def test_in_unittest(self):
                    with self.subTest():
                        raise OSError(refused(KEYCTL, 0), "no keys")  # HERE in_unittest
            """
        ),
        **{"site-packages__keyring_of_somebody": source("")},
    )
    file = "conftest.py" if raised == "in_a_fixture" else "test_a.py"
    result = suite.run("-n", 1, pytest_args=["-k", "test_" + raised])
    assert result.status == 1, result
    assert denied(result, "test_" + raised) == [("keyctl", "EPERM", 1)]
    assert result.of("denied")[0].get("where") == f"{file}:{line_of(suite.path / file, '# HERE ' + raised)}", result


def test_the_kernels_own_refusals_are_no_denials(suite):
    suite.write(test_a="import os\n\ndef test_a():\n    os.mkdir('/proc/self/refused')")
    result = suite.run("-n", 1)
    assert result.status == 1 and not result.of("denied"), result
    assert "denied" not in result.stderr


def test_calls_of_threads_and_children_belong_to_their_test(suite):
    suite.write(
        test_a=source(
            """
            import subprocess, sys

            def test_thread():
                thread = threading.Thread(target=refused, args=(KEYCTL, 0))
                thread.start()
                thread.join()

            def test_fork():
                pid = os.fork()
                if pid == 0:
                    os._exit(refused(KEYCTL, 0))
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EPERM

            def test_program():
                code = "import ctypes; ctypes.CDLL(None).syscall(425, 1, 0)"
                subprocess.run([sys.executable, "-c", code], check=True)
            """
        )
    )
    result = suite.run("-n", 2)
    assert result.status == 0, result
    assert denied(result, "test_thread") == [("keyctl", "EPERM", 1)]
    assert denied(result, "test_fork") == [("keyctl", "EPERM", 1)]
    assert denied(result, "test_program") == [("io_uring_setup", "EPERM", 1)]


def test_what_a_worker_alone_may_not_do_is_named_too(suite):
    suite.write(test_a=source("def test_a():\n    assert refused(UNSHARE, 0x10000000) == errno.EPERM"))
    result = suite.run("-n", 1)
    assert result.status == 0, result
    assert denied(result, "test_a") == [("unshare", "EPERM", 1)]


@pytest.mark.parametrize("option", ["--fork-server=auto", "--fork-server=off"])
def test_each_test_its_own(suite, option):
    """Many short tests on few workers: a call is never charged to the one before or after."""
    suite.write(
        test_a=source(
            """
            import pytest

            @pytest.mark.parametrize("n", range(60))
            def test_n(n):
                for _ in range(n % 3):
                    assert refused(KEYCTL, 0) == errno.EPERM
            """
        )
    )
    result = suite.run("-n", 3, option)
    assert result.status == 0, result
    for n in range(60):
        assert denied(result, f"test_n[{n}]") == ([("keyctl", "EPERM", n % 3)] if n % 3 else []), result


def test_outside_of_tests(suite):
    suite.write(conftest=source("call_at_import = refused(KEYCTL, 0)"), test_a="def test_a(): pass")
    result = suite.run("-n", 1)
    assert result.status == 0, result
    assert denied(result) == [("keyctl", "EPERM", 1)]
    assert "denied        1 call outside of tests: keyctl 1" in result.stderr


def narrow(path, *without):
    """A policy file: standard with an allow list that lacks some calls."""
    profile = json.loads((ROOT / "policies" / "seccomp" / "default.json").read_text())
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in without]
    (path / "narrow.json").write_text(json.dumps(profile))
    (path / "dock.yaml").write_text("policy: dock\nextends: standard\nseccomp: narrow.json\n")
    return path / "dock.yaml"


def test_what_is_refused_before_there_are_tests_is_named(suite):
    """pytest found no temporary directory, and nobody said why."""
    policy = narrow(suite.path, "mkdir", "mkdirat", "unlink", "unlinkat")
    suite.write(conftest="import tempfile\ntempfile.mkdtemp()", test_a="def test_a(): pass")
    result = suite.run("-n", 1, "--policy", policy)
    assert result.status not in (0, 5) and not result.outcomes, result
    assert "shunt: denied before there were tests: unlink (policy dock, seccomp/narrow.json), E" in result.stderr, result
    assert "--learn FILE" in result.stderr


def test_of_a_run_that_failed_what_was_refused_outside_of_tests_is_listed(suite):
    suite.write(conftest=source("call_at_import = refused(KEYCTL, 0)"), test_a="def test_a(): assert 0")
    result = suite.run("-n", 1)
    assert result.status == 1, result
    assert "denied        outside of tests: keyctl (policy standard, seccomp/default.json), EPERM" in result.stderr, result


def test_a_flood_disturbs_nobody(suite):
    suite.write(
        test_a=source(
            """
            import time

            def test_flood():
                for _ in range(30000):
                    libc.syscall(KEYCTL, 0)
            """
        ),
        test_b="def test_other(): pass\ndef test_again(): pass",
    )
    result = suite.run("-n", 2, "--timeout", 60)
    assert result.status == 0, result
    assert denied(result, "test_flood") == [("keyctl", "EPERM", 30000)]
    ends = [e["id"].split("::")[1] for e in result.of("test-end")]
    assert ends[-1] == "test_flood", ends


def test_many_different_calls_are_bounded(suite):
    suite.write(test_a=source("def test_a():\n    for n in range(1000, 1500):\n        assert refused(n) == errno.ENOSYS"))
    result = suite.run("-n", 1)
    assert result.status == 0, result
    assert len(denied(result, "test_a")) == 64
    assert "436 more were not kept by name" in result.stderr, result


def test_a_worker_that_dies_in_a_refused_call(suite):
    suite.write(
        test_a=source(
            """
            import signal, time

            def test_a():
                threading.Thread(target=lambda: [libc.syscall(KEYCTL, 0) for _ in range(10**7)], daemon=True).start()
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGTERM)

            def test_b(): pass
            """
        )
    )
    result = suite.run("-n", 1)
    assert result.outcomes["test_a.py::test_b"] == "passed", result
    assert ("test_a", "signal") in result.verdicts()
    incident = result.incidents[0]
    assert incident["denied"].startswith("denied: keyctl (policy standard, seccomp/default.json), EPERM"), incident


def test_a_filter_that_kills_is_the_verdict_denied(suite):
    suite.write(
        test_a=source(
            """
            import struct

            def test_a():
                code = b"".join(struct.pack("HBBI", *i) for i in (
                    (0x20, 0, 0, 0), (0x15, 0, 1, 39), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7FFF0000)))
                room = ctypes.create_string_buffer(code)
                program = struct.pack("HxxxxxxP", 4, ctypes.addressof(room))
                assert libc.prctl(22, 2, program, 0, 0) == 0, os.strerror(ctypes.get_errno())
                libc.syscall(39)  # getpid: SECCOMP_RET_KILL_PROCESS

            def test_b(): pass
            """
        )
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    assert result.outcomes == {"test_a.py::test_a": "killed", "test_a.py::test_b": "passed"}
    assert result.verdicts() == [("test_a", "denied")]
    assert "killed by SIGSYS in the middle of the test" in result.incidents[0]["text"]


@pytest.mark.parametrize("lie", ["errno=0", "errno=5000", "errno='x'", "where=3", "where='x' * 600", "file=1"])
def test_lies_about_errno_and_line_end_the_worker(suite, lie):
    key, _, value = lie.partition("=")
    suite.write(
        conftest=f"""
            import os
            from shunt_pytest import channel

            real = channel.Channel.send
            def send(self, header, *args, **kwargs):
                if header["t"] == "done" and header["outcome"] == "failed":
                    header[{key!r}] = {value}
                return real(self, header, *args, **kwargs)
            channel.Channel.send = send
            """,
        test_a="def test_a(): assert 0",
    )
    result = suite.run("-n", 1)
    assert result.status == 1, result
    assert result.verdicts() == [("test_a", "protocol")], result


def test_a_line_with_control_characters_is_shown_as_text(suite):
    suite.write(
        conftest="""
            from shunt_pytest import channel

            real = channel.Channel.send
            def send(self, header, *args, **kwargs):
                if header["t"] == "done":
                    header.update(errno=1, where="a\\x1b[2J\\nb.py:1")
                return real(self, header, *args, **kwargs)
            channel.Channel.send = send
            """,
        test_a=source("def test_a():\n    assert refused(KEYCTL, 0) == 0"),
    )
    result = suite.run("-n", 1)
    assert result.status == 1 and "at a\\x1b[2J\\x0ab.py:1\n" in result.stderr, result
