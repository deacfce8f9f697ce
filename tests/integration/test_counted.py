# SPDX-License-Identifier: MIT
"""Without a cgroup: RLIMIT_NPROC refuses tasks, the supervisor counts, and workers note what they were refused."""
import os
import pathlib
import shutil
import tempfile

import pytest
from conftest import Suite

ROOT = os.geteuid() == 0
USER = 1000 if ROOT else os.geteuid()


@pytest.fixture
def users_suite():
    """Of an ordinary user, who may make no cgroups."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="counted-"))
    os.chown(path, USER, -1)
    yield Suite(path)
    shutil.rmtree(path)


def run(suite, *options):
    prefix = ("setpriv", f"--reuid={USER}", "--regid=1000", "--clear-groups", "--inh-caps=-all") if ROOT else ()
    result = suite.run(*options, prefix=prefix, env={"HOME": "/tmp"})
    if result.of("run-start") and "counted" not in result.of("run-start")[0]["cgroup"]:
        pytest.skip("this place counts no tasks: " + result.of("run-start")[0]["cgroup"])
    return result


STARTS = """
    import threading
    def test_it():
        "Stops at the first refusal, and everything has ended a moment later."
        stop, started = threading.Event(), []
        try:
            for _ in range({n}):
                started.append(threading.Thread(target=stop.wait))
                started[-1].start()
        finally:
            stop.set()
    def test_other(): pass
"""


def test_a_refused_thread_is_a_tasks_verdict(users_suite):
    users_suite.write(test_a=STARTS.format(n=60))
    result = run(users_suite, "-n", 2, "--tasks", 24)
    assert result.status == 0, result
    assert {k.split("::")[1]: v for k, v in result.outcomes.items()} == {
        "test_it": "passed-serial", "test_other": "passed",
    }, result
    assert result.verdicts() == [("test_it", "tasks")], result
    assert "of 24 tasks" in result.incidents[0]["text"], result.incidents


def test_a_refused_process_is_a_tasks_verdict(users_suite):
    users_suite.write(
        test_a="""
        import os, time
        def test_it():
            children = []
            try:
                for _ in range(40):
                    pid = os.fork()
                    if pid == 0:
                        time.sleep(60)
                        os._exit(0)
                    children.append(pid)
            finally:
                for pid in children:
                    os.kill(pid, 9)
                    os.waitpid(pid, 0)
        """
    )
    result = run(users_suite, "-n", 1, "--tasks", 24)
    assert list(result.outcomes.values()) == ["passed-serial"], result
    assert result.verdicts() == [("test_it", "tasks")], result


def test_a_refusal_far_from_the_limit_speaks_against_nobody(users_suite):
    """A test may lower its own RLIMIT_NPROC, or write nonsense into its page: its count is nowhere near the limit."""
    users_suite.write(
        test_a="""
        import errno
        def test_it():
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        """
    )
    result = run(users_suite, "-n", 1, "--tasks", 64)
    assert list(result.outcomes.values()) == ["failed"], result
    assert result.verdicts() == [], result
