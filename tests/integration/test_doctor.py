# SPDX-License-Identifier: MIT
"""`shunt doctor` on machines made worse: each row says what is so here, why, and what to do.

The situations are made in namespaces of their own (private mounts, a user namespace whose limit is its own, a filter on
this process tree), so the host keeps its settings.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT as TOP
from conftest import SHUNT, clean_environment

pytestmark = pytest.mark.usefixtures("no_leftovers")
USER = 61237  # whom nobody is
ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="needs root to become another user, or to mount")
CONFINED = str(TOP / "tests" / "tools" / "confined")
knows_calls = pytest.mark.skipif(
    os.uname().machine not in ("x86_64", "aarch64"), reason="tests/tools/confined has no system call numbers for this"
)


class Doctor:
    def __init__(self, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr
        self.json = json.loads(stdout) if stdout.startswith("{") else None
        if self.json:
            self.guarantees = {g["name"]: g for g in self.json["guarantees"]}
            self.machine, self.policy = self.json["machine"], self.json["policy"]

    def by(self, *names):
        found = tuple(self.guarantees[n]["by"] for n in names)
        return found if len(names) > 1 else found[0]

    def rung(self, guarantee, ident):
        return next(r for r in self.guarantees[guarantee]["rungs"] if r["id"] == ident)

    def command(self, guarantee):
        better = self.guarantees[guarantee]["better"]
        return better and better["command"]

    def __repr__(self):
        return f"<exit {self.status}\n{self.stdout}{self.stderr}>"


def run(*options, prefix=(), cwd=None, **env):
    """`prefix` is a command that runs a command: sh_(...), as_user(), and so on."""
    environment = {k: v for k, v in clean_environment().items() if k not in ("container", "KUBERNETES_SERVICE_HOST")}
    environment.update(env)
    done = subprocess.run(
        [*prefix, str(SHUNT), "doctor", *options],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Doctor(done.returncode, done.stdout, done.stderr)


def sh(script):
    """Runs the script, then what follows."""
    return ("sh", "-ec", script + '; exec "$@"', "sh")


def doctor(*options, **kwargs):
    found = run("--json", *options, **kwargs)
    assert found.json, found
    assert found.json["version"] == 1
    check_consistency(found)
    return found


def check_consistency(found):
    """What must be so on every machine."""
    unmet = [n for n in found.policy["wants"] if not found.guarantees[n]["met"]]
    if found.machine["uid"] != 0:
        assert set(unmet) - {"user"} == set(found.policy["unmet"]) - {"user"}, found
    else:
        assert unmet == found.policy["unmet"], found
    assert found.policy["met"] == (not found.policy["unmet"])
    assert found.status == (0 if found.policy["met"] else 6), found
    for g in found.guarantees.values():
        working = [r for r in g["rungs"] if r["works"]]
        assert g["by"] == (working[0]["id"] if working else None)
        assert g["met"] == bool(working and working[0]["whole"])
        assert (g["reason"] is None) == g["met"], g
        assert all(r["tried"] for r in working)
        assert not [r for r in g["rungs"] if r["errno"] == "ETIMEDOUT" or "signal" in (r["detail"] or "")], g
    assert all(found.guarantees[n]["text"] for n in found.guarantees)


def as_user():
    return ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all") if ROOT else ()


def user_namespaces_work():
    return subprocess.run([*as_user(), "unshare", "-Ur", "true"], capture_output=True).returncode == 0


needs_userns = pytest.mark.skipif(
    not user_namespaces_work(), reason="this machine gives an ordinary user no user namespaces (unshare -Ur true)"
)


def rows(text):
    """The table's rows: {guarantee: (status, wanted, rest of its first line)}."""
    found = {}
    for line in text.splitlines():
        word = line[:5].strip()
        if word in ("yes", "part", "no") and len(line) > 17 and line[5] in " *":
            found[line[6:17].strip()] = (word, line[5] == "*", line[17:])
    return found


# ---- the command ----


def test_options():
    bad = run("--polcy", "standard")
    assert bad.status == 4 and "did you mean --policy?" in bad.stderr
    assert run("--what").stderr.splitlines()[1].strip() == '"shunt doctor --help" lists the options'
    assert run("pytest").status == 4
    unknown = run("--policy", "standrad")
    assert unknown.status == 4 and "standrad" in unknown.stderr and not unknown.stdout
    assert run("--policy").status == 4
    help_text = run("--help")
    assert help_text.status == 0
    for option in ("--policy", "--machine", "--json", "--adopt-cgroup"):
        assert option in help_text.stdout


def test_observe_wants_nothing():
    found = doctor("--policy", "observe")
    assert found.policy["name"] == "observe" and found.policy["wants"] == [] and found.status == 0


def test_the_projects_policy(tmp_path):
    (tmp_path / "shunt.yaml").write_text("policy: observe\n")
    assert doctor(cwd=tmp_path).policy["name"] == "observe"
    assert doctor("--policy", "standard", cwd=tmp_path).policy["name"] == "standard"


@pytest.mark.parametrize("columns", [80, 100, 300])
def test_table(columns):
    found, table = doctor(), run(COLUMNS=str(columns))
    assert table.status == found.status
    assert "\x1b" not in table.stdout  # no terminal, no colour
    first = table.stdout.partition("\n\n")[0]
    assert found.machine["kernel"] in first
    verdict = 'policy "standard" is ' + ("met" if found.policy["met"] else "NOT met, missing: ")
    assert verdict.strip() in " ".join(first.split())
    body = table.stdout.partition("To get more:")[0]
    assert max(map(len, body.splitlines())) <= min(columns, 100), body
    table_rows = rows(table.stdout)
    assert set(table_rows) == set(found.guarantees)
    for name, (status, wanted, _) in table_rows.items():
        g = found.guarantees[name]
        assert status == ("yes" if g["met"] else "part" if g["by"] else "no")
        assert wanted == (name in found.policy["wants"])
    for g in found.guarantees.values():  # each command is there whole, on one line
        if g["better"]:
            assert "\n    " + g["better"]["command"] + "\n" in table.stdout
    assert "libseccomp" in table.stdout and found.json["policies"] in table.stdout


def on_terminal(**env):
    pty_run = (
        "import os, pty, sys\n"
        "def read(fd):\n    data = os.read(fd, 4096)\n    return data\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:], read)))\n"
    )
    return run(prefix=(sys.executable, "-c", pty_run), **env).stdout


def test_colour_only_on_a_terminal():
    assert "\x1b[" in on_terminal()
    assert "\x1b[" not in on_terminal(NO_COLOR="1")


# ---- machines ----


@as_root
def test_root():
    """The strongest rungs, where nothing is taken away."""
    found = doctor()
    if not found.machine["sysadmin"] or found.machine["seccomp_filter"]:
        pytest.skip("root is confined here (no CAP_SYS_ADMIN, or a filter)")
    assert found.by("pid", "mount", "ipc", "uts", "net") == ("root",) * 5
    assert found.by("user", "caps", "seccomp", "readonly") == ("pool", "drop", "filter", "recursive")
    assert found.rung("tasks", "uid-nproc")["works"]
    assert not found.rung("tasks", "userns-nproc")["works"]  # does nothing for the host's root
    if found.machine["cgroup"] != "none" and found.by("tasks").startswith("cgroup"):
        kind = "cgroup-v2" if found.machine["cgroup"] == "v2" else "cgroup-v1"
        assert found.by("tasks") == kind
        assert "limit of 4 refused" in found.rung("tasks", kind)["detail"]


@as_root
def test_the_machine_is_left_as_it_was():
    """pid_max is one for all on older kernels; the cgroup trial moves shunt; the mounts are private."""

    def state():
        return [
            pathlib.Path("/proc/sys/kernel/pid_max").read_text(),
            pathlib.Path("/proc/sys/kernel/hostname").read_text(),
            pathlib.Path("/proc/self/mountinfo").read_text(),
            pathlib.Path("/proc/self/cgroup").read_text(),
            [os.path.exists(f"/tmp/{name}") for name in ("probe", "upper", "work", "all", "all/shunt-probe")],
        ]

    before = state()
    doctor()
    assert state() == before


@pytest.mark.skipif("SHUNT_VM" not in os.environ, reason="only in the virtual machine of tests/vm: pure cgroup v2")
def test_shared_v2_cgroup():
    """Others live in our cgroup: no limits, unless they may be moved for the time of a run."""
    found = doctor()
    assert found.machine["cgroup"] == "v2"
    assert found.rung("memory", "cgroup-v2")["errno"] == "EBUSY"
    assert found.policy["unmet"] == ["memory"]
    assert "--adopt-cgroup" in found.command("memory") and "other processes" in found.guarantees["memory"]["reason"]
    place = pathlib.Path("/proc/self/cgroup").read_text()
    found = doctor("--adopt-cgroup")
    assert found.by("tasks", "memory", "cpu") == ("cgroup-v2",) * 3
    assert found.rung("kill", "cgroup-kill")["works"] and found.status == 0
    assert next(a for a in found.json["abilities"] if a["id"] == "cgroup-notify")["works"]
    assert pathlib.Path("/proc/self/cgroup").read_text() == place  # we, who were moved, are back


@needs_userns
def test_ordinary_user():
    """No cgroup that it may write, but user namespaces."""
    found = doctor(prefix=as_user())
    if found.machine["cgroup"] != "none":
        pytest.skip("this user has a cgroup of its own here")
    assert found.by("pid", "mount", "ipc", "uts", "net") == ("userns",) * 5
    assert found.by("tasks", "memory", "cpu") == ("userns-nproc", "rlimit", "affinity")
    assert found.by("caps", "user") == ("none", "userns")
    assert "limit of 4 refused" in found.rung("tasks", "userns-nproc")["detail"]
    assert found.policy["unmet"] == ["memory"]
    assert found.rung("pid", "root")["errno"] == "EPERM"
    assert found.guarantees["memory"]["reason"].startswith("cannot make cgroups") or "no cgroup" in (
        found.guarantees["memory"]["reason"]
    )
    assert found.command("memory")


def without_user_namespaces():
    """In a user namespace of our own, where none may be made: its limit is its own. Without capabilities there."""
    forbid = sh("echo 0 >/proc/sys/user/max_user_namespaces")
    return (*as_user(), "unshare", "-Ur", *forbid, "setpriv", "--bounding-set=-all", "--inh-caps=-all")


@needs_userns
def test_no_user_namespaces():
    found = doctor(prefix=without_user_namespaces())
    assert found.machine["settings"]["max_user_namespaces"] == 0 and found.machine["user_namespace"]
    assert found.by("pid", "mount", "ipc", "uts", "net") == (None,) * 5
    if found.machine["cgroup"] == "none":
        assert found.by("tasks") == "notify"
        assert found.by("kill") == "descent"
        assert found.policy["unmet"] == ["memory", "kill", "pid", "mount", "ipc", "uts", "tmp"]
    for name in ("pid", "net", "tmp"):
        assert found.guarantees[name]["reason"] == (
            "user namespaces are refused (ENOSPC): user.max_user_namespaces is 0"
        )
        assert "sysctl -w user.max_user_namespaces=" in found.command(name)
    assert found.by("seccomp", "denials") == ("filter", "notify")
    if found.machine["landlock_abi"]:
        assert found.by("readonly") == "landlock"
    table = rows(run(prefix=without_user_namespaces()).stdout)
    assert table["pid"][:2] == ("no", True) and table["net"][:2] == ("no", False)


@as_root
@needs_userns
def test_masked_proc():
    """A mount below /proc, as in every container: a pid namespace cannot have a /proc of its own."""
    masked = ("unshare", "-m", *sh("mount -t tmpfs none /proc/tty"), *as_user())
    found = doctor(prefix=masked)
    assert found.machine["proc_mask"] == "/proc/tty"
    assert found.by("pid") == "bare" and not found.guarantees["pid"]["met"]
    assert found.rung("pid", "userns")["errno"] == "EPERM"
    assert found.guarantees["pid"]["reason"].startswith("EPERM: mounting proc")
    assert found.by("kill", "mount") == ("pidns", "userns")
    assert "pid" in found.policy["unmet"]
    if found.machine["container"] == "docker":
        assert found.command("pid") == "docker run --security-opt systempaths=unconfined ..."
    elif not found.machine["container"]:
        assert found.command("pid") == "start shunt where nothing is mounted below /proc (here: /proc/tty)"
    found = doctor(prefix=masked, KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert found.machine["container"] == "kubernetes"
    assert found.command("pid") == (
        "in the pod: hostUsers: false, and in the container: securityContext: {procMount: Unmasked}"
    )


@as_root
def test_readonly_cgroups():
    """As a container has them."""
    readonly = "grep -E ' cgroup2? ' /proc/self/mounts | cut -d' ' -f2 | xargs -n1 mount -o remount,bind,ro"
    found = doctor(prefix=("unshare", "-m", *sh(readonly)))
    assert found.machine["cgroup"] == "none"
    assert not found.guarantees["memory"]["met"] and not found.guarantees["cpu"]["met"]
    assert found.rung("tasks", "cgroup-v2")["errno"] in ("EROFS", "ENOENT")
    assert not found.by("tasks").startswith("cgroup")
    if found.machine["container"] in ("docker", "podman"):
        assert f"{found.machine['container']} run" in found.command("memory")
    pod = doctor(prefix=("unshare", "-m", *sh(readonly)), KUBERNETES_SERVICE_HOST="10.0.0.1")
    assert "cgroup_writable = true" in pod.command("memory")
    text = run(prefix=("unshare", "-m", *sh(readonly))).stdout
    assert "  no cgroup: cannot make cgroups below our own, /sys/fs/cgroup" in text
    assert rows(text)["memory"][:2] == ("part", True)


@knows_calls
def test_outer_filter():
    """Refuses unshare, as Docker's default profile does to whoever has no CAP_SYS_ADMIN."""
    found = doctor(prefix=(sys.executable, CONFINED, "no-unshare"))
    assert found.machine["seccomp_filter"]
    assert found.by("pid", "mount", "ipc", "uts", "net") == (None,) * 5
    assert found.rung("net", "userns")["errno"] == "EPERM"
    docker = found.machine["container"] == "docker"
    cause = "Docker's seccomp profile" if docker else "a seccomp filter around us"
    if found.machine["settings"]["unprivileged_userns_clone"] != 0:
        assert found.guarantees["net"]["reason"] == f"user namespaces are refused (EPERM): {cause}"
    if docker:
        assert found.command("net") == "docker run --security-opt seccomp=unconfined ..."
    elif not found.machine["container"]:
        assert "outside the seccomp filter" in found.command("net")
    assert found.by("seccomp", "denials") == ("filter", "notify")  # filters stack, a listener is still free
    assert found.status == 6


@knows_calls
def test_outer_listener():
    """There is one listener in a tree of filters: whoever has it first."""
    found = doctor(prefix=(sys.executable, CONFINED, "listener"))
    assert found.rung("denials", "notify")["errno"] == "EBUSY"
    assert found.rung("tasks", "notify")["errno"] == "EBUSY"
    assert not found.guarantees["denials"]["met"] and "denials" in found.policy["unmet"]
    assert "listens for system calls already" in found.command("denials")
    assert found.by("denials") in (None, "log")
    assert found.rung("denials", "log")["tried"]
    assert found.by("seccomp") == "filter"
    text = run(prefix=(sys.executable, CONFINED, "listener")).stdout
    assert ("unknown call" in text) == (found.by("denials") is None)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace, to refuse mount_setattr")
def test_older_kernel_without_mount_setattr():
    """The rung below it: each mount by itself."""
    found = doctor(prefix=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=mount_setattr:error=ENOSYS"))
    if found.by("mount") is None:
        pytest.skip("no mount namespaces here")
    assert found.rung("readonly", "recursive")["errno"] == "ENOSYS"
    assert found.by("readonly") == "remount" and found.guarantees["readonly"]["met"]

