# SPDX-License-Identifier: MIT
"""The ladder: what is taken away around shunt costs what it gave, is named with a remedy, and is an error where required."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest
from conftest import SHUNT, Suite, clean_environment

ROOT = os.geteuid() == 0
USER = 1000 if ROOT else os.geteuid()
CONFINED = str(pathlib.Path(__file__).resolve().parents[1] / "tools" / "confined")
AS_USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all"] if ROOT else []


def sh(script):
    """Runs the script, then what follows."""
    return ["sh", "-ec", script + '; exec "$@"', "sh"]


# A user namespace of our own, in which none may be made: its limit is its own. As the same user, and without capabilities.
NO_USERNS = [
    *AS_USER, "unshare", "-U", "-c", "--keep-caps", *sh("echo 0 >/proc/sys/user/max_user_namespaces"),
    "setpriv", "--ambient-caps=-all", "--inh-caps=-all", "--bounding-set=-all",
]  # fmt: skip
LISTENER = [sys.executable, CONFINED, "listener"]
NO_UNSHARE = [sys.executable, CONFINED, "no-unshare"]
NO_MKDIR = [sys.executable, CONFINED, "no-mkdir"]
MASKED_PROC = ["unshare", "-m", *sh("mount -t tmpfs none /proc/tty")]
READONLY_CGROUPS = [
    "unshare", "-m",
    *sh("grep -E ' cgroup2? ' /proc/self/mounts | cut -d' ' -f2 | xargs -n1 mount -o remount,bind,ro"),
]  # fmt: skip


def works(prefix):
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0


as_root = pytest.mark.skipif(not ROOT, reason="needs root")
needs_no_userns = pytest.mark.skipif(
    not works([*NO_USERNS, sys.executable, "-c", "0"]), reason="user namespaces are not to be had here, or util-linux is old"
)


class Place(Suite):
    """A directory of the ordinary user; not below tmp_path, which others than its owner cannot enter."""

    def exec(self, prefix, *words):
        report = self.path / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [*prefix, str(SHUNT), "exec", "--report", str(report), *map(str, words)],
            cwd=self.path, env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        done.account = json.loads(report.read_text()) if report.exists() else None
        return done

    def holds(self, prefix, *words):
        """(in force, missing, why) of a command that runs all the same."""
        done = self.exec(prefix, *words, "--", "sh", "-c", "echo ran; exit 3")
        assert (done.returncode, done.stdout) == (3, "ran\n"), done
        sandbox = done.account["sandbox"]
        if sandbox["missing"]:
            assert "not in force: " + ", ".join(sandbox["missing"]) in done.stderr
            assert '"shunt doctor' in done.stderr
        assert not set(sandbox["missing"]) & set(sandbox["in_force"])
        return set(sandbox["in_force"]), set(sandbox["missing"]), sandbox["why_missing"]

    def requires(self, prefix, guarantee, *words):
        """What is said where it is not to be had: before anything has run."""
        done = self.exec(prefix, "--require", guarantee, *words, "--", "touch", "ran")
        assert (done.returncode, done.stdout, done.account["verdict"]) == (6, "", "not-started"), done
        assert not (self.path / "ran").exists()
        assert f"{guarantee} is required (" in done.stderr and "shunt doctor" in done.stderr, done
        self.write(test_a="def test_it(): open('ran', 'w')")
        run = self.run("-n", 1, "--require", guarantee, *words, prefix=prefix)
        assert run.status == 6 and f"{guarantee} is required (" in run.stderr, run
        assert not (self.path / "ran").exists()
        return done.stderr

    def start(self, prefix, *options):
        """What the run says of itself."""
        self.write(test_a="def test_it(): pass")
        run = self.run("-n", 1, *options, prefix=prefix)
        assert run.status == 0, run
        start = run.of("run-start")[0]
        assert not set(start["in_force"]) & set(start["lacking"])
        return start


@pytest.fixture
def place():
    path = pathlib.Path(tempfile.mkdtemp(prefix="ladder-test-", dir="/var/tmp"))
    if ROOT:
        os.chown(path, USER, USER)
    path.chmod(0o755)
    yield Place(path)
    shutil.rmtree(path)


FORKS = """
import os, signal, sys, threading, time
def processes():
    children = []
    try:
        for _ in range(30):
            pid = os.fork()
            if not pid:
                time.sleep(60)
                os._exit(0)
            children.append(pid)
    except OSError as e:
        print(e.errno)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children)
def threads():
    started = 0
    try:
        for _ in range(30):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    return started
print(processes(), processes(), threads(), flush=True)
os._exit(1)
"""


# --- no user namespaces, no cgroup: seccomp is all that is left ---------------------------------------


@needs_no_userns
def test_without_user_namespaces_exec_answers_clones(place):
    in_force, missing, why = place.holds(NO_USERNS, "--tasks", 12)
    if "memory" in in_force:
        pytest.skip("an ordinary user has a cgroup of its own here")
    assert in_force >= {"tasks", "caps", "seccomp", "denials"}
    assert missing == {"memory", "kill", "pid", "mount", "ipc", "uts", "tmp"}
    assert "sysctl -w user.max_user_namespaces=" in why
    done = place.exec(NO_USERNS, "--tasks", 12, "--", sys.executable, "-c", FORKS)
    # What has died makes room again.
    assert done.stdout.split() == ["11", "11", "11", "11", "11"], done
    assert done.account["verdict"] == "tasks" and "[tasks]" in done.stderr
    assert done.account["tasks"]["refused"] >= 3 and done.account["tasks"]["limit"] == 12
    assert done.account["denied"] == []
    assert "answering each clone" in done.account["sandbox"]["limits_by"]
    # Refusals of the profile are told apart, and named.
    code = "import ctypes, os; ctypes.CDLL(None).syscall(250, 0); os.waitpid(os.fork() or os._exit(0), 0); os._exit(1)"
    done = place.exec(NO_USERNS, "--tasks", 12, "--", sys.executable, "-c", code)
    assert done.returncode == 1
    if os.uname().machine == "x86_64":
        assert [(d["call"], d["errno"]) for d in done.account["denied"]] == [("keyctl", "EPERM")]


@needs_no_userns
def test_without_user_namespaces_a_run_still_runs(place):
    start = place.start(NO_USERNS)
    if "memory" in start["in_force"]:
        pytest.skip("an ordinary user has a cgroup of its own here")
    assert set(start["in_force"]) == {"caps", "seccomp", "denials"}
    assert set(start["lacking"]) == {"tasks", "memory", "kill", "pid", "mount", "ipc", "uts", "tmp"}
    assert "sysctl -w user.max_user_namespaces=" in start["missing"]


@needs_no_userns
@pytest.mark.parametrize("guarantee", ["memory", "pid", "kill", "tmp"])
def test_without_user_namespaces_what_is_required_is_an_error(place, guarantee):
    if "memory" in place.holds(NO_USERNS)[0]:
        pytest.skip("an ordinary user has a cgroup of its own here")
    said = place.requires(NO_USERNS, guarantee)
    if guarantee != "memory":
        assert "sysctl -w user.max_user_namespaces=" in said


# --- somebody else listens: refusals have no names ----------------------------------------------------


def test_an_outer_listener_costs_the_names(place):
    """--require denials was not an error: whether a listener is to be had was known only once the command ran."""
    in_force, missing, _ = place.holds(LISTENER)
    assert "seccomp" in in_force
    assert "denials" not in in_force
    done = place.exec(LISTENER, "--require", "denials", "--", "touch", "ran")
    assert done.returncode == 6 and not (place.path / "ran").exists()
    assert "denials is required" in done.stderr and "start it outside" in done.stderr


@needs_no_userns
def test_an_outer_listener_and_no_user_namespaces_leave_no_limit_on_tasks(place):
    prefix = [*NO_USERNS, *LISTENER]
    in_force, missing, why = place.holds(prefix, "--tasks", 12)
    if "memory" in in_force:
        pytest.skip("an ordinary user has a cgroup of its own here")
    assert "seccomp" in in_force and {"tasks", "denials"} <= missing
    assert "listener" in why
    done = place.exec(prefix, "--tasks", 12, "--require", "tasks", "--", "true")
    assert done.returncode == 6 and "tasks is required" in done.stderr


# --- an outer filter refuses unshare, as container engines do ------------------------------------------


def test_an_outer_filter_against_namespaces(place):
    prefix = [*AS_USER, *NO_UNSHARE]
    in_force, missing, why = place.holds(prefix)
    assert {"seccomp", "denials"} <= in_force and {"pid", "mount", "ipc", "uts", "tmp"} <= missing
    assert "forbids it" in why or "EPERM" in why
    place.requires(prefix, "pid")
    assert {"pid", "mount"} <= set(place.start(prefix)["lacking"])


# --- parts of the machine ---------------------------------------------------------------------------


@as_root
def test_cgroups_that_cannot_be_written(place):
    in_force, missing, why = place.holds(READONLY_CGROUPS)
    assert "memory" in missing and "cgroup" in why
    assert {"pid", "mount", "ipc", "tmp", "seccomp", "kill"} <= in_force
    place.requires(READONLY_CGROUPS, "memory")
    start = place.start(READONLY_CGROUPS)
    assert "memory" in start["lacking"] and "pid" in start["in_force"] and "remedy" in start["missing"]


@as_root
def test_a_cgroup_that_cannot_be_made_after_all(place):
    """It is made while the sandbox is: the command waits for it, and starts under the next rung or not at all."""
    in_force, missing, why = place.holds(NO_MKDIR, "--tasks", 64)
    assert "memory" in missing and "cannot make cgroup" in why
    assert {"tasks", "pid", "mount", "ipc", "tmp", "seccomp", "kill"} <= in_force
    done = place.exec(NO_MKDIR, "--require", "memory", "--", "touch", "ran")
    assert (done.returncode, done.account["verdict"]) == (6, "not-started"), done
    assert "memory is required" in done.stderr and "cannot make cgroup" in done.stderr
    assert not (place.path / "ran").exists()


@as_root
def test_a_masked_proc_costs_the_pid_namespace(place):
    """A /proc with something mounted below it is what containers have: the kernel gives no fresh one."""
    prefix = [*MASKED_PROC, *AS_USER]
    if not works([*AS_USER, "unshare", "-Ur", "true"]):
        pytest.skip("an ordinary user gets no user namespaces here")
    in_force, missing, why = place.holds(prefix, "--tasks", 64)
    if "pid" in in_force or "mount" not in in_force | missing:
        pytest.fail(f"in force {in_force}, missing {missing}")
    assert "pid" in missing and why
    place.requires(prefix, "pid")
    assert "pid" in place.start(prefix)["lacking"]


# --- what was found on the way -----------------------------------------------------------------------


@as_root
def test_a_temporary_directory_of_somebody_else_is_no_matter_to_tests_without(place):
    """The controller asked for it, and the run ended with an internal error; pytest alone never looks."""
    owner = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    base = place.path / f"pytest-of-{owner}"
    base.mkdir()
    os.chown(base, 4321, 4321)
    place.write(test_a="def test_it(): pass")
    run = place.run("-n", 1, env={"PYTEST_DEBUG_TEMPROOT": str(place.path)})
    assert run.status == 0 and set(run.outcomes.values()) == {"passed"}, run


# --- root of a user namespace that has one id, as `unshare -r` and rootless containers make it ------------


ROOTLESS = [*(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if ROOT else []), "unshare", "-Ur"]


@pytest.mark.skipif(not works(ROOTLESS), reason="an ordinary user has no user namespaces here")
def test_hardened_for_root_with_no_other_id(place):
    """It broke at "dropping groups", and said that it had a user id of its own."""
    policy = place.path / "rootless.yaml"
    policy.write_text("policy: rootless\nextends: hardened\nrequire: [-memory, -tasks]\n")
    prefix = ROOTLESS
    done = place.exec(prefix, "-v", "--policy", policy, "--", "id", "-u")
    assert (done.returncode, done.stdout) == (0, "0\n"), done
    assert "not in force: " in done.stderr and "user" in done.stderr.partition("not in force: ")[2].splitlines()[0]
    place.write(test_a="def test_it(): pass")
    run = place.run("-n", 1, "--policy", policy, prefix=prefix)
    assert run.status == 0 and "a user id of its own" in run.stderr.partition("missing here: ")[2], run


@as_root
@pytest.mark.parametrize("policy", ["standard", "hardened"])
@pytest.mark.parametrize("also", [(), ("/var/tmp",), ("/var/tmp", "/dev/shm")], ids=["tmp", "var-tmp", "all"])
def test_a_tmp_that_cannot_be_written(place, policy, also):
    """What is named as the remedy is one: TMPDIR, and before that /var/tmp and /dev/shm by themselves."""
    where = pathlib.Path(tempfile.mkdtemp(prefix="shunt-tmp-", dir="/srv"))
    try:
        (where / "suite").mkdir()
        where.chmod(0o755)
        suite = Suite(where / "suite").write(test_a="def test_a(tmp_path): (tmp_path / 'x').write_text('x')")
        mounts = "; ".join(f"mount -t tmpfs -o ro none {path}" for path in ("/tmp", *also))
        options = ("-n", 1, "--policy", policy)
        env = {"TMPDIR": "/nowhere"}
        if len(also) == 2:
            result = suite.run(*options, prefix=["unshare", "-m", *sh(mounts)], env=env)
            assert result.status == 3 and "set TMPDIR to a directory" in result.stderr, result
            env = {"TMPDIR": str(where)}
        result = suite.run(*options, prefix=["unshare", "-m", *sh(mounts)], env=env)
        if result.status == 6:
            pytest.skip("hardened is not to be had here")
        assert result.status == 0 and list(result.outcomes.values()) == ["passed"], result
        assert not [path for path in where.iterdir() if path.name.startswith("shunt-")]
    finally:
        shutil.rmtree(where)
