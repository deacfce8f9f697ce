# SPDX-License-Identifier: MIT
"""Pure cgroup v2: whom we share our cgroup with, what that costs, and that every remedy shunt names works.

Makes cgroups of its own and a directory below /run, so it runs only in the virtual machine (tests/vm/run).
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys

import conftest
import pytest
from conftest import SHUNT, clean_environment

pytestmark = [
    pytest.mark.skipif("SHUNT_VM" not in os.environ, reason="only in the virtual machine of tests/vm"),
    pytest.mark.usefixtures("no_leftovers"),
]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

CGROUPS = pathlib.Path("/sys/fs/cgroup")
TASKS = """
    import threading
    def test_small():
        pass
    def test_large():
        stop = threading.Event()
        threads = [threading.Thread(target=stop.wait) for _ in range(40)]
        for t in threads:
            t.start()
        stop.set()
        for t in threads:
            t.join()
"""


@pytest.fixture(autouse=True)
def no_options(monkeypatch):
    monkeypatch.setattr(conftest, "OPTIONS", [])


def place():
    return pathlib.Path("/proc/self/cgroup").read_text().strip().partition("::")[2]


@pytest.fixture
def cgroup():
    """cgroup(path, controllers): makes it below the root, handing these to its children; removed in the end."""
    made = []

    def make(path, controllers=""):
        directory = CGROUPS / path
        directory.mkdir(exist_ok=True)
        made.append(directory)
        for controller in controllers.split():
            (directory / "cgroup.subtree_control").write_text(f"+{controller}")
        return directory

    yield make
    for directory in reversed(made):
        if directory.exists():
            directory.rmdir()


def inside(directory):
    """A prefix that runs a command in `directory`."""
    return ["sh", "-c", f'echo $$ > {directory}/cgroup.procs && exec "$@"', "sh"]


def has_limits(result):
    return "(tasks, memory" in result.of("run-start")[0]["cgroup"]


def test_foreign_processes_are_named_and_nothing_is_claimed(suite):
    result = suite.write(test_a=TASKS).run("-n", 1, "--tasks", 20, "--memory", "300M")
    start = result.of("run-start")[0]
    assert result.status == 0, result
    user = os.geteuid() != 0  # whose tasks are limited by a user namespace, then
    assert (start["tasks"], start["memory_bytes"]) == (20 if user else 0, 0), result
    assert start["cgroup"].startswith("no cgroup: tasks by RLIMIT_NPROC") if user else not start["cgroup"]
    assert f"other processes live in our cgroup {CGROUPS}{place()} (" in start["missing"]
    assert "--adopt-cgroup" in start["missing"]
    assert f"not in force: {'' if user else '--tasks, '}--memory: other processes" in result.stderr, result
    assert user or "no limits" in result.stderr


def test_the_adopted_go_back(suite):
    before = place()
    suite.write(test_a=TASKS)
    result = suite.run("-n", 1, "--adopt-cgroup", "--tasks", 20)
    assert has_limits(result), result
    assert set(result.outcomes.values()) == {"passed", "passed-serial"}, result
    assert place() == before
    assert (CGROUPS / before[1:] / "cgroup.subtree_control").read_text().strip() == ""


@as_root
def test_the_remedy_of_a_cgroup_of_its_own_works(suite):
    suite.write(test_a=TASKS)
    missing = suite.run("-n", 1).of("run-start")[0]["missing"]
    recipe = re.search(r"start it alone: (sh -c '[^']*')", missing)
    assert recipe, missing
    argv, events = suite.command("-n", 1, "--tasks", 20)
    line = recipe.group(1).replace("shunt ...", shlex.join(argv))
    try:
        done = subprocess.run(line, shell=True, cwd=suite.path, env=clean_environment(), capture_output=True, text=True)
        result = conftest.Result(done.returncode, done.stdout, done.stderr, events, 0)
        assert has_limits(result) and result.status == 0, result
    finally:
        (CGROUPS / "alone").rmdir()


SYSTEMD_RUN = """#!/bin/sh
# What systemd-run --scope does, as far as shunt can see it.
echo "$@" >> {log}
while [ "$1" != -- ]; do shift; done; shift
mkdir {scope}-$$ && echo $$ > {scope}-$$/cgroup.procs && exec "$@"
"""


@pytest.fixture
def systemd(tmp_path, cgroup):
    """systemd(text): a systemd that is running, with this systemd-run; returns its log and the environment."""
    running = pathlib.Path("/run/systemd/system")
    running.mkdir(parents=True, exist_ok=True)
    log = tmp_path / "log"
    log.touch()

    def install(text):
        program = tmp_path / "bin" / "systemd-run"
        program.parent.mkdir()
        program.write_text(text.format(log=log, scope=CGROUPS / "scope"))
        program.chmod(0o755)
        return log, {"PATH": f"{program.parent}:{os.environ['PATH']}"}

    yield install
    running.rmdir()
    for scope in CGROUPS.glob("scope-*"):
        scope.rmdir()


@as_root
def test_a_scope_comes_before_all_else(suite, systemd):
    log, env = systemd(SYSTEMD_RUN)
    suite.write(
        test_a="""
        import os
        def test_it():
            assert "SHUNT_SCOPE" not in os.environ
            assert "/scope-" in open("/proc/self/cgroup").read()
        """
    )
    result = suite.run("-n", 1, "--adopt-cgroup", "-q", env=env)
    assert result.status == 0 and has_limits(result), result
    calls = log.read_text().splitlines()
    assert len(calls) == 2 and calls[0].endswith("-- true"), calls
    assert calls[1].startswith("--scope --quiet -p Delegate=yes -- ") and "--adopt-cgroup -q" in calls[1], calls
    assert "adopted" not in result.stdout + result.stderr


@as_root
def test_a_scope_that_is_refused_leaves_the_next_rung(suite, systemd):
    _, env = systemd("#!/bin/sh\necho Interactive authentication required. >&2\nexit 1\n")
    suite.write(test_a="def test_it(): import os; assert 'SHUNT_SCOPE' not in os.environ")
    result = suite.run("-n", 1, env=env)
    missing = result.of("run-start")[0]["missing"]
    assert result.status == 0, result
    assert "--adopt-cgroup" in missing and "systemd-run" not in missing
    assert "Interactive" not in result.stderr
    assert has_limits(suite.run("-n", 1, "--adopt-cgroup", env=env))


@as_root
@pytest.mark.parametrize("controllers, described", [("pids", "v2 (tasks); no controller for memory, cpu"), ("", "v2 (no limits)")])
def test_a_tree_without_some_controllers(suite, cgroup, controllers, described):
    cgroup("few", controllers)
    prefix = inside(cgroup("few/in"))
    suite.write(
        test_a=TASKS,
        test_b="""
        import pytest
        @pytest.mark.shunt(memory="500M", tasks=18)
        def test_own():
            pass
        """,
    )
    result = suite.run("-n", 1, "--tasks", 20, "--memory", "300M", "--serial-memory", "400M", prefix=prefix)
    start = result.of("run-start")[0]
    assert result.status == 0, result
    assert start["cgroup"].startswith(described), start
    assert not start["memory_bytes"] and not start["serial_memory_bytes"]
    absent = "--memory, --serial-memory" if controllers else "--tasks, --memory, --serial-memory"
    assert f"not in force: {absent}: our cgroup lacks the controller" in result.stderr, result
    assert "the own limits of 1 test: our cgroup lacks the controller" in result.stderr, result
    assert start["tasks"] == (20 if controllers else 0)
    assert set(result.outcomes.values()) == ({"passed", "passed-serial"} if controllers else {"passed"}), result


@as_root
def test_the_remedy_for_a_user_outside_of_any_delegation_works(suite, cgroup):
    """A user's shell in a cgroup of root's: what shunt tells root to type gives that shell a cgroup of its own."""
    cgroup("roots")
    suite.write(test_a=TASKS)
    os.chown(suite.path, 1000, 1000)
    for parent in list(suite.path.parents)[:3]:
        parent.chmod(0o755)
    shell = subprocess.Popen(
        [*inside(CGROUPS / "roots"), "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "bash"],
        cwd=suite.path,
        env=clean_environment(HOME=str(suite.path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def type_in(line):
        shell.stdin.write(line + "; echo status:$?\n")
        shell.stdin.flush()
        text = ""
        for out in shell.stdout:
            if out.startswith("status:"):
                return int(out[7:]), text
            text += out
        raise AssertionError(text)

    command = shlex.join(suite.command("-n", 1, "--tasks", 20, "--memory", "300M")[0])
    status, text = type_in(command)
    remedy = re.search(r"remedy: as root: (.*); then again, with --adopt-cgroup", text)
    assert status == 0 and remedy, text
    # The limit on tasks may hold by RLIMIT_NPROC; nothing but a cgroup limits memory.
    assert "not in force: --memory: cannot make cgroups below our own" in text, text
    subprocess.run(remedy.group(1), shell=True, check=True)
    status, text = type_in(command.replace(" run ", " run --adopt-cgroup ", 1))
    shell.stdin.close()
    shell.wait()
    (CGROUPS / "shunt-1000").rmdir()
    assert status == 0 and "v2 (tasks, memory, cpu)" in text, text
    assert "passed-serial" in text or "serial lane" in text


def test_quiet_still_says_what_is_not_in_force(suite):
    suite.write(test_a="def test_it(): pass")
    result = suite.run("-n", 1, "-q", "--memory", "300M")
    assert "not in force: --memory: " in result.stderr, result


def test_version_of_this_place():
    """The virtual machine is what it should be: pure v2, and not the root cgroup."""
    assert [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup " in line] == []
    assert place() != "/"
    assert SHUNT.exists() and sys.platform == "linux"
