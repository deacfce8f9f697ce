# SPDX-License-Identifier: MIT
"""`shunt exec`: one command in one sandbox, as root and as an ordinary user."""
import errno
import json
import os
import pathlib
import platform
import re
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import tty
import uuid

import pytest

from conftest import OPTIONS, SHUNT, cgroup_leftovers, clean_environment, needs_cgroups

ROOT = os.geteuid() == 0
USER = 1000 if ROOT else os.geteuid()
AS_USER = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"] if ROOT else []
PYTHON = sys.executable


def can_be_user():
    """An ordinary user must reach the program and the interpreter."""
    reach = f'test -x "{SHUNT}" && exec "{PYTHON}" -c 0'
    return subprocess.run([*AS_USER, "sh", "-c", reach], check=False).returncode == 0


needs_root = pytest.mark.skipif(not ROOT, reason="needs root")
needs_user = pytest.mark.skipif(not can_be_user(), reason="an ordinary user cannot reach shunt or the interpreter here")
needs_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers are of x86_64")
KINDS = [pytest.param("root", marks=needs_root), pytest.param("user", marks=needs_user)]


class Place:
    """A working directory, and ways to run things in it."""

    def __init__(self, path, kind):
        self.path = path
        self.kind = kind
        self.uid = 0 if kind == "root" else USER
        self.prefix = AS_USER if kind == "user" else []
        self.report_path = path / "report.json"

    def argv(self, *words):
        return [*self.prefix, str(SHUNT), "exec", *OPTIONS, *map(str, words)]

    def run(self, *words, env=None, timeout=60, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        if "input" in kwargs:
            del kwargs["stdin"]
        kwargs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        return subprocess.run(
            self.argv(*words), cwd=self.path, env=env or clean_environment(), timeout=timeout, check=False, **kwargs
        )

    def start(self, *words, **kwargs):
        kwargs = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
        return subprocess.Popen(self.argv(*words), cwd=self.path, env=clean_environment(), **kwargs)

    def python(self, *options, code, **kwargs):
        return self.run(*options, "--", PYTHON, "-c", code, **kwargs)

    def account(self):
        return json.loads(self.report_path.read_text())


@pytest.fixture
def place(request):
    """Not below tmp_path, which others than its owner cannot enter. As root unless the test says otherwise."""
    kind = getattr(request, "param", "root" if ROOT else "user")
    path = pathlib.Path(tempfile.mkdtemp(prefix="exec-test-", dir="/var/tmp"))
    made = Place(path, kind)
    if ROOT:
        os.chown(path, made.uid, made.uid)
    path.chmod(0o755)
    yield made
    shutil.rmtree(path)


both = pytest.mark.parametrize("place", KINDS, indirect=True)
as_user = pytest.mark.parametrize("place", KINDS[1:], indirect=True)
as_root = pytest.mark.parametrize("place", KINDS[:1], indirect=True)


def alive(marker):
    """Processes whose command line has the marker, shunt's own aside."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in words and words[0] != str(SHUNT).encode():
                found.append(int(entry.name))
    return found


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def new_marker():
    """A number of seconds that no other sleep has."""
    return f"300.{uuid.uuid4().int % 10**12:012d}"


# --- exit status and signals -----------------------------------------------------------------------


@both
@pytest.mark.parametrize("status", [0, 1, 3, 42, 255])
def test_the_exit_status_is_the_commands(place, status):
    done = place.run("-q", "--", "sh", "-c", f"exit {status}")
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


@both
@pytest.mark.parametrize("name", ["SEGV", "KILL", "ABRT", "TERM"])
def test_a_signal_is_128_and_its_number(place, name):
    done = place.run("-q", "--report", place.report_path, "--", "sh", "-c", f"kill -{name} $$")
    assert done.returncode == 128 + getattr(signal, "SIG" + name)
    account = place.account()
    assert (account["verdict"], account["exit"], account["signal"]) == ("signal", None, "SIG" + name)


@both
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2"])
def test_signals_are_handed_on(place, name):
    script = f"trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done"
    process = place.start("-q", "--", "sh", "-c", script)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, "SIG" + name))
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (7, f"got {name}\n".encode(), b"")


# --- stdin, stdout, stderr -------------------------------------------------------------------------


@both
@pytest.mark.parametrize("policy", ["observe", "standard", "hardened"])
def test_ten_megabytes_go_through_unchanged(place, policy):
    if policy == "hardened" and place.kind == "user":
        pytest.skip("hardened requires a memory limit, which an ordinary user may not have here")
    data = os.urandom(1 << 20) * 10
    done = place.run("-q", "--policy", policy, "--", "cat", input=data)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data


def test_stdout_and_stderr_stay_apart(place):
    done = place.run("-q", "--", "sh", "-c", r"printf 'a\000\377' ; printf 'b\000\376' >&2")
    assert (done.stdout, done.stderr) == (b"a\0\xff", b"b\0\xfe")


def closing(*fds):
    def close():
        for fd in fds:
            os.close(fd)

    return close


@both
@pytest.mark.parametrize("fd", [0, 1, 2])
def test_a_closed_stream_is_no_file_of_ours(place, fd):
    """What shunt opened first once took its number: the command got an epoll descriptor for its stdout."""
    use = "os.read(0, 1)" if fd == 0 else f"os.write({fd}, b'x')"
    code = (
        f"import os\ntry: {use}; number = 0\nexcept OSError as e: number = e.errno\n"
        f"print(number, os.readlink('/proc/self/fd/{fd}'), end='', file=open({str(place.path / 'seen')!r}, 'w'))"
    )
    done = place.run("-q", "--", PYTHON, "-c", code, stdin=None, stdout=None, stderr=None, preexec_fn=closing(fd))
    assert done.returncode == 0
    assert (place.path / "seen").read_text() == f"{errno.EBADF} /dev/null"


def test_only_three_descriptors_arrive(place):
    with open(place.path / "secret", "w", encoding="utf-8") as secret:
        os.set_inheritable(secret.fileno(), True)
        done = place.python("-q", code="import os; print(sorted(os.listdir('/proc/self/fd'))[:-1])", close_fds=False)
    # The one that is taken off is the listing's own.
    assert done.stdout == b"['0', '1', '2']\n"


def test_a_reader_that_goes_away_is_the_commands_affair(place):
    process = place.start("-q", "--", "sh", "-c", "while echo line; do :; done 2>/dev/null; exit 9")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) in (9, 128 + signal.SIGPIPE)
    process.stderr.close()


# --- limits ----------------------------------------------------------------------------------------

THREADS = """
import sys, threading, time
started = 0
try:
    for _ in range(60):
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        started += 1
except RuntimeError:
    pass
print(started, flush=True)
sys.exit(started < 60)
"""

FORKS = """
import os, signal, sys, time
children = []
try:
    for _ in range(60):
        pid = os.fork()
        if not pid:
            time.sleep(30)
            os._exit(0)
        children.append(pid)
except OSError as e:
    print(len(children), e.errno, flush=True)
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
sys.exit(len(children) < 60)
"""


@needs_cgroups
@pytest.mark.parametrize("code", [THREADS, FORKS], ids=["threads", "forks"])
def test_the_task_limit(place, code):
    done = place.python("--tasks", 16, "--report", place.report_path, code=code)
    assert done.returncode == 1
    words = done.stdout.split()
    assert int(words[0]) == 15, done
    assert words[1:] in ([], [str(errno.EAGAIN).encode()])
    account = place.account()
    assert account["verdict"] == "tasks"
    assert account["tasks"]["limit"] == 16 and account["tasks"]["peak"] == 16 and account["tasks"]["refused"] >= 1
    stderr = done.stderr.decode()
    assert "16 of 16 tasks" in stderr and "[tasks]" in stderr and "--tasks" in stderr


@as_user
def test_the_task_limit_without_a_cgroup(place):
    """A user namespace and RLIMIT_NPROC, or whatever is used instead: the limit holds and is named, or is said not to."""
    done = place.python("--tasks", 16, "--report", place.report_path, code=FORKS)
    account = place.account()
    if "tasks" in account["sandbox"]["in_force"]:
        assert done.returncode == 1
        assert 13 <= int(done.stdout.split()[0]) <= 15, done
    else:
        assert "tasks" in account["sandbox"]["missing"] and b"tasks" in done.stderr


IDLE = """
import threading, time
def sleep():
    time.sleep(0.5)
try:
    for _ in range(40):
        threading.Thread(target=sleep).start()
finally:
    time.sleep(0.3)
"""


@as_user
@pytest.mark.parametrize("command", [
    ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do sleep 9 & done"], [PYTHON, "-c", IDLE]
], ids=["processes", "threads"])  # fmt: skip
def test_the_task_limit_without_a_cgroup_is_named(place, command):
    """The kernel tells nobody of it, so shunt counts: also what a command leaves that is over at once."""
    done = place.run("--tasks", 16, "--report", place.report_path, "--", *command)
    account = place.account()
    if "RLIMIT_NPROC" not in account["sandbox"]["limits_by"] and "pid_max" not in account["sandbox"]["limits_by"]:
        pytest.skip("not the rungs that are meant")
    assert done.returncode not in (0, 128) and account["verdict"] == "tasks", (done, account)
    assert (account["tasks"]["peak"], account["tasks"]["exact"], account["tasks"]["limit"]) == (16, False, 16)
    stderr = done.stderr.decode()
    assert "16 of 16 tasks (counted)" in stderr and "[tasks]" in stderr and "--tasks" in stderr


@as_user
def test_below_the_task_limit_nobody_speaks_of_it(place):
    done = place.run("--tasks", 16, "--report", place.report_path, "--", "sh", "-c", "sleep 0.1 & wait; exit 3")
    assert (done.returncode, place.account()["verdict"]) == (3, "exit")
    assert b"[tasks]" not in done.stderr


@needs_cgroups
def test_the_memory_limit(place):
    code = "x = bytearray(300 << 20); print(len(x))"
    done = place.python("--memory", "64M", "--report", place.report_path, code=code)
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stdout == b""
    account = place.account()
    assert (account["verdict"], account["signal"]) == ("memory", "SIGKILL")
    memory = account["memory"]
    assert memory["limit_bytes"] == 64 << 20 and memory["oom_kills"] >= 1
    assert (48 << 20) <= memory["peak_bytes"] <= (64 << 20)
    assert "limit of 64 MiB" in done.stderr.decode() and "--memory" in done.stderr.decode()


@needs_cgroups
def test_a_child_that_was_killed_for_memory_is_named(place):
    """Its parent may well end with 0, on cgroup v1; on v2 the kernel ends all of it."""
    done = place.run("--memory", "64M", "--", "sh", "-c", f"{PYTHON} -c 'x = bytearray(300 << 20)'; true")
    assert done.returncode in (0, 137)
    words = "killed for memory, at the limit of 64 MiB" if done.returncode == 0 else "out of memory at its limit of 64 MiB"
    assert words in done.stderr.decode()


@both
def test_a_timeout_asks_first(place):
    done = place.run(
        "--timeout", "500ms", "--grace", "20s", "--report", place.report_path, "--",
        "sh", "-c", "trap 'echo asked; exit 5' TERM; while :; do sleep 0.05; done",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (124, b"asked\n")
    account = place.account()
    assert (account["verdict"], account["exit"]) == ("timeout", 5)
    assert 500 <= account["wall_ms"] < 15000
    assert "not done after 0.5 s" in done.stderr.decode() and "--timeout" in done.stderr.decode()


@both
@pytest.mark.parametrize("grace", ["300ms", "off"])
def test_a_timeout_kills_what_does_not_listen(place, grace):
    marker = new_marker()
    done = place.run(
        "--timeout", "500ms", "--grace", grace, "--report", place.report_path, "--",
        "sh", "-c", f"trap '' TERM; sleep {marker} & while :; do sleep {marker}; done",
    )  # fmt: skip
    assert done.returncode == 124
    assert (place.account()["verdict"], place.account()["signal"]) == ("timeout", "SIGKILL")
    assert until(lambda: not alive(marker), 2)


def test_a_share_of_the_cpus(place):
    """Half a CPU is held, or said not to be."""
    code = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
    done = place.python("--cpus", "0.5", "--report", place.report_path, code=code)
    account = place.account()
    assert done.returncode == 0
    if "cpu" in account["sandbox"]["in_force"]:
        assert account["cpu_ms"] < 0.75 * account["wall_ms"]
    else:
        assert "cpu" in account["sandbox"]["missing"]
        assert "not in force: cpu" in done.stderr.decode()


# --- what it leaves, sees and may ------------------------------------------------------------------


@both
def test_what_is_left_behind_is_named_and_killed(place):
    marker = new_marker()
    done = place.run(
        "--report", place.report_path, "--", "sh", "-c", f"sleep {marker} & setsid sleep {marker} & sleep 0.5; exit 0"
    )
    assert done.returncode == 0
    leaked = place.account()["leaked"]
    assert [entry["comm"] for entry in leaked] == ["sleep", "sleep"], leaked
    assert all(entry["pid"] > 1 for entry in leaked)
    assert place.account()["verdict"] == "ok"
    assert "left behind and killed: 2 processes" in done.stderr.decode()
    assert until(lambda: not alive(marker), 2)


def test_the_account_of_a_quiet_success(place):
    done = place.run("--report", place.report_path, "--", "true")
    assert (done.returncode, done.stdout) == (0, b"")
    account = place.account()
    assert list(account) == [
        "version", "command", "verdict", "exit", "signal", "wall_ms", "cpu_ms", "tasks", "memory", "denied", "leaked",
        "sandbox",
    ]  # fmt: skip
    assert list(account["sandbox"]) == ["policy", "in_force", "missing", "limits_by", "why_missing"]
    assert (account["version"], account["command"], account["verdict"]) == (1, "true", "ok")
    assert (account["exit"], account["signal"], account["denied"], account["leaked"]) == (0, None, [], [])
    assert account["wall_ms"] > 0 and account["memory"]["peak_bytes"] > 0
    assert account["sandbox"]["policy"] == "standard"
    assert not set(account["sandbox"]["in_force"]) & set(account["sandbox"]["missing"])


def test_the_account_of_a_failure(place):
    done = place.run("--report", place.report_path, "--", "sh", "-c", "exit 42")
    account = place.account()
    assert (done.returncode, account["verdict"], account["exit"], account["signal"]) == (42, "exit", 42, None)
    assert "[exit]" not in done.stderr.decode()


@pytest.mark.parametrize("words", [
    ["--", "no-such-program"], ["--policy", "none-such", "--", "true"], ["--require", "landlock", "--", "true"],
    ["--tasks", "many", "--", "true"], ["-v", "-q", "--", "true"],
])  # fmt: skip
def test_the_account_of_an_earlier_command_does_not_stay(place, words):
    assert place.run("--report", place.report_path, "--", "true").returncode == 0
    assert place.account()["verdict"] == "ok"
    done = place.run("--report", place.report_path, *words)
    assert done.returncode in (4, 6), done
    account = place.account()
    assert (account["verdict"], account["exit"], account["signal"]) == ("not-started", None, None)
    assert f"shunt: {account['message']}\n" in done.stderr.decode()
    assert account["hint"] in done.stderr.decode()


def test_times_have_three_digits(place):
    place.run("--report", place.report_path, "--", "true")
    text = place.report_path.read_text()
    assert all(re.fullmatch(r"\d+\.\d{1,3}", re.search(rf'"{key}": ([^,]*),', text)[1]) for key in ("wall_ms", "cpu_ms")), text


def test_an_account_that_cannot_be_written(place):
    """Said before anything runs, since afterwards the account would be lost, and the command's own status with it."""
    done = place.run("--report", "/nowhere/r.json", "--", "touch", "ran")
    assert done.returncode == 4
    assert "/nowhere/r.json" in done.stderr.decode()
    assert not (place.path / "ran").exists()


@needs_x86
@both
def test_refused_calls_are_named(place):
    code = (
        "import ctypes, sys\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for _ in range(3): assert libc.syscall(250, 0) == -1 and ctypes.get_errno() == 1\n"
        "sys.exit(int(sys.argv[1]))"
    )
    done = place.run("--report", place.report_path, "--", PYTHON, "-c", code, 1)
    assert done.returncode == 1
    if "denials" not in place.account()["sandbox"]["in_force"]:
        pytest.skip("no user notification here: refused calls stay unnamed")
    expected = [{"call": "keyctl", "profile": "seccomp/default.json", "errno": "EPERM", "count": 3}]
    assert place.account()["denied"] == expected
    assert "denied: keyctl (policy standard, seccomp/default.json): EPERM, 3 times" in done.stderr.decode()
    # A denial is no failure: what succeeds is left in peace.
    done = place.run("--report", place.report_path, "--", PYTHON, "-c", code, 0)
    assert done.returncode == 0 and place.account()["denied"] == expected
    assert "keyctl" not in done.stderr.decode()


@needs_cgroups
@as_root
def test_hardened_opens_what_is_named(place):
    other = place.path / "other"
    other.mkdir()
    inside = place.path / "inside"
    inside.mkdir()
    script = (
        f"id -u; echo hi >f && mkdir d && echo hi >d/g; echo no >{other}/f; echo no >/etc/shunt-test; "
        "echo no >/usr/shunt-test; echo yes >/tmp/t; ls /tmp"
    )
    done = subprocess.run(
        place.argv("-q", "--policy", "hardened", "--write", ".", "--", "sh", "-c", script),
        cwd=inside, env=clean_environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    words = done.stdout.split()
    assert done.returncode == 0, done
    assert int(words[0]) not in (0, USER) and words[1] == b"t"
    assert (inside / "f").stat().st_uid == (inside / "d" / "g").stat().st_uid == os.geteuid()
    assert not (other / "f").exists()
    assert not os.path.exists("/etc/shunt-test") and not os.path.exists("/usr/shunt-test")
    # The working directory is below /var/tmp here, and that is another, fresh one inside: nothing beside it is there.
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 3 and "nonexistent" in lines[0] and str(other) in lines[0], lines
    assert all("Read-only file system" in line for line in lines[1:]), lines


@needs_cgroups
@as_root
def test_hardened_without_a_name_opens_nothing(place):
    done = place.run("-q", "--policy", "hardened", "--", "sh", "-c", "echo x >f")
    assert done.returncode != 0 and not (place.path / "f").exists()


@needs_cgroups
@as_root
def test_hardened_passes_an_environment_by_list(place):
    env = clean_environment(
        SECRET_TOKEN="x", AWS_SECRET_ACCESS_KEY="x", LD_PRELOAD="", LC_ALL="C", CI="1", HOME="/root", TMPDIR="/nowhere"
    )
    done = place.run("-q", "--policy", "hardened", "--", "env", env=env)
    seen = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert not {"SECRET_TOKEN", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD"} & set(seen)
    assert (seen["CI"], seen["LC_ALL"], seen["TMPDIR"], seen["HOME"]) == ("1", "C", "/tmp", "/root")
    assert seen["PATH"] == env["PATH"]


@needs_cgroups
@as_root
def test_hardened_has_loopback_only(place):
    code = (
        "import socket\n"
        "print(sorted(name for _, name in socket.if_nameindex()))\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).sendall(b'x')\n"
        "try: socket.create_connection(('192.0.2.1', 9), 5)\n"
        "except OSError as e: print(e.errno)"
    )
    done = place.python("-q", "--policy", "hardened", code=code)
    assert done.returncode == 0, done
    assert done.stdout.decode().split("\n")[:2] == ["['lo']", str(errno.ENETUNREACH)]


def on_a_terminal(argv, cwd, feed=b"", raw=False):
    """Runs argv with a terminal of its own as controlling terminal: (status, what the terminal got)."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execvpe(argv[0], argv, clean_environment())
    if raw:
        tty.setraw(master, termios.TCSANOW)
        time.sleep(0.5)
    os.set_blocking(master, False)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if feed:
            try:
                feed = feed[os.write(master, feed[:4096]) :]
            except BlockingIOError:
                pass
        try:
            data = os.read(master, 65536)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        except OSError:
            break
        if not data:
            break
        seen += data
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


TERMINAL = (
    "import os\n"
    "print([os.isatty(fd) for fd in range(3)], end=' ')\n"
    "try: os.open('/dev/tty', os.O_RDWR); print('tty', end=' ')\n"
    "except OSError: print('none', end=' ')\n"
    "print(os.getsid(0) == os.getpid() or os.getsid(0))"
)


@needs_cgroups
@as_root
def test_hardened_gives_no_terminal_away(place):
    status, seen = on_a_terminal(place.argv("--policy", "hardened", "--", PYTHON, "-c", TERMINAL), place.path)
    assert status == 0 and seen.startswith(b"[False, False, False] none "), seen


def test_standard_keeps_the_terminal(place):
    status, seen = on_a_terminal(place.argv("-q", "--", PYTHON, "-c", TERMINAL), place.path)
    assert status == 0 and seen.startswith(b"[True, True, True] tty"), seen


@needs_cgroups
@as_root
def test_a_relayed_terminal_is_copied_both_ways(place):
    argv = place.argv("--policy", "hardened", "--", "sh", "-c", "read line; echo got $line; echo err >&2")
    status, seen = on_a_terminal(argv, place.path, feed=b"hello\n")
    assert status == 0 and b"got hello" in seen and b"err" in seen, seen


@needs_cgroups
@as_root
def test_a_relayed_terminal_stays_open(place):
    """Before the seccomp listener had come, shunt took descriptor 0 for it, and closed its own stdin."""
    argv = place.argv("--policy", "hardened", "--timeout", "20s", "--", "sh", "-c", "read line; echo got $line")
    status, seen = on_a_terminal(argv, place.path, feed=b"hello\n", raw=True)
    assert status == 0 and b"got hello" in seen, seen


@needs_cgroups
@as_root
def test_a_command_that_does_not_read_its_terminal_is_timed_out_all_the_same(place):
    """The pipe to it fills; shunt once blocked in writing to it, and no time limit came."""
    argv = place.argv("--policy", "hardened", "--timeout", "2s", "--grace", "off", "--", "sleep", "60")
    status, seen = on_a_terminal(argv, place.path, feed=b"x" * 400000, raw=True)
    assert status == 124, seen


@needs_cgroups
@as_root
def test_a_command_that_closes_its_stdin_does_not_kill_shunt(place):
    argv = place.argv("--policy", "hardened", "--", "sh", "-c", "exec <&-; sleep 2; exit 5")
    status, seen = on_a_terminal(argv, place.path, feed=b"x\n" * 1000, raw=True)
    assert status == 5, seen


# --- what is wrong is said -------------------------------------------------------------------------


def test_a_program_that_is_not_there(place):
    done = place.run("--", "no-such-program")
    assert (done.returncode, done.stdout) == (4, b"")
    assert '"no-such-program" was not found in PATH' in done.stderr.decode()


def test_a_program_that_is_not_there_inside(place):
    program = place.path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    done = place.run("-q", "--hide", program, "--", program)
    assert done.returncode == 4
    assert f'cannot run "{program}" inside the sandbox' in done.stderr.decode()
    assert "policy standard" in done.stderr.decode()


@needs_cgroups
@as_root
def test_a_program_that_its_user_may_not_run(place):
    program = place.path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o700)
    done = place.run("-q", "--policy", "hardened", "--", program)
    assert done.returncode == 4
    stderr = done.stderr.decode()
    assert "Permission denied" in stderr and f"policy hardened: {program} cannot be reached by uid " in stderr
    assert "its mode is 0700" in stderr


@needs_cgroups
@needs_root
def test_a_directory_that_its_user_may_not_enter():
    """Not below /tmp or /var/tmp, where the sandbox has directories of its own above it."""
    path = pathlib.Path(tempfile.mkdtemp(dir="/srv"))
    try:
        (path / "here").mkdir()
        done = Place(path / "here", "root").run("--policy", "hardened", "--", "cat", path / "here")
    finally:
        shutil.rmtree(path)
    stderr = done.stderr.decode()
    assert done.returncode == 1 and f"policy hardened: the working directory {path}/here cannot be reached" in stderr, done
    assert f"of {path} the mode is 0700, the owner uid 0" in stderr, done


@both
def test_what_is_required_and_missing_is_named(place):
    done = place.run("--policy", "standard", "--require", "net", "--", "touch", "ran")
    assert (done.returncode, done.stdout) == (4, b"")
    stderr = done.stderr.decode()
    assert "net is required (--require)" in stderr and "network" in stderr
    text = "".join(f"{line.strip()}\n" for line in stderr.splitlines() if line.startswith("    "))
    assert text == "policy: own\nextends: standard\nnetwork: loopback\n", stderr
    (place.path / "own.yaml").write_text(text)
    done = place.run("--policy", "own.yaml", "--require", "net", "--", "true")
    assert done.returncode == 0 or "not to be had" in done.stderr.decode(), done
    assert not (place.path / "ran").exists()


@as_root
def test_a_program_below_a_tmp_that_is_fresh_inside_is_seen(place):
    directory = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        program = directory / "it"
        program.write_text("#!/bin/sh\nls $(dirname $0)\n")
        (directory / "beside").write_text("x")
        directory.chmod(0o755)
        program.chmod(0o755)
        done = place.run("--policy", "hardened", "--", program)
        assert (done.returncode, done.stdout) == (0, b"it\n"), done
    finally:
        shutil.rmtree(directory)


@both
def test_a_profile_that_refuses_how_the_listener_travels(place):
    """It waited for an answer of nobody's, for ever, and heard no signal."""
    rule = {"names": ["sendmsg"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    (place.path / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    (place.path / "p.yaml").write_text("policy: p\nextends: standard\nseccomp: p.json\n")
    done = place.run("-v", "--policy", "./p.yaml", "--", "true")
    assert done.returncode == 0 and "sendmsg" in done.stderr.decode(), done


@both
def test_a_path_that_may_be_missing(place):
    done = place.run("-q", "--write", "nosuch?", "--", "true")
    assert (done.returncode, done.stderr) == (0, b"")
    done = place.run("-q", "--write", "nosuch", "--", "true")
    assert done.returncode == 4 and '"nosuch?"' in done.stderr.decode()


def test_mistakes_are_named_before_anything_runs(place):
    (place.path / "shunt.yaml").write_text("policies: []\npolicy: nope\n")
    done = place.run("--", "touch", "ran")
    assert done.returncode == 4 and 'shunt.yaml:2: policy: there is no policy "nope"' in done.stderr.decode()
    (place.path / "shunt.yaml").unlink()
    done = place.run("--report", "-", "--", "touch", "ran")
    assert done.returncode == 4 and "--report" in done.stderr.decode()
    done = place.run("--", place.path)
    assert done.returncode == 4 and "is a directory" in done.stderr.decode() and "pytest" not in done.stderr.decode()
    assert not (place.path / "ran").exists()


@both
def test_it_may_be_started_in_tmp_itself(place):
    """The overlay's root is another directory than the one it covers, and the check of the working directory minded."""
    name, where = f"shunt-exec-test-{os.getpid()}", "/tmp"
    done = subprocess.run(
        place.argv("--report", place.report_path, "--", "sh", "-c", f"pwd; echo x >{name} && cat {name}"),
        cwd=where, env=clean_environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{where}\nx\n".encode()), done
    assert "tmp" in place.account()["sandbox"]["in_force"]
    assert not os.path.exists(f"{where}/{name}")


def test_a_policy_that_is_not_there(place):
    done = place.run("--policy", "nosuch", "--", "true")
    assert done.returncode == 4
    assert '"nosuch"' in done.stderr.decode() and "hardened" in done.stderr.decode()


@as_user
def test_an_ordinary_user_without_a_user_namespace(place):
    """Nothing is left but no_new_privs and a filter: it runs, and says what is missing."""
    done = place.run("--userns=never", "--report", place.report_path, "--", "sh", "-c", "id -u; exit 3")
    assert done.returncode == 3
    assert done.stdout.split()[0] == str(place.uid).encode()
    sandbox = place.account()["sandbox"]
    assert {"pid", "mount", "ipc"} <= set(sandbox["missing"])
    assert "seccomp" in sandbox["in_force"]
    assert "not in force: " in done.stderr.decode()
    required = place.run("--userns=never", "--require", "pid", "--", "true")
    assert required.returncode == 6 and "pid is required" in required.stderr.decode()


@as_user
def test_an_ordinary_user_stays_who_they_are(place):
    done = place.run("-q", "--", "sh", "-c", "id -u; echo x >f")
    assert done.stdout == f"{place.uid}\n".encode(), done
    assert (place.path / "f").stat().st_uid == place.uid


# --- the end of shunt itself -----------------------------------------------------------------------


def scratch_of(pid):
    return [p for base in ("/var/tmp", "/tmp") for p in pathlib.Path(base).glob(f"shunt-{pid}-*")]


@both
@pytest.mark.parametrize("options", [(), ("--userns=never",)], ids=["standard", "no-userns"])
def test_sigkill_of_shunt_ends_everything_and_the_next_run_sweeps(place, options):
    marker = new_marker()
    script = (
        f"sleep {marker} & setsid sleep {marker} & (sleep {marker} &) ; echo ready; trap '' TERM HUP; sleep {marker}"
    )
    process = place.start(*options, "--", "sh", "-c", script)
    assert process.stdout.readline() == b"ready\n"
    assert until(lambda: len(alive(marker)) >= 4)
    pid = process.pid
    process.kill()
    process.communicate(timeout=30)
    assert until(lambda: not [p for p in alive(marker)], 2), alive(marker)
    assert place.run("-q", "--", "true").returncode == 0
    assert not scratch_of(pid)
    assert not [path for path in cgroup_leftovers() if f"/shunt-{pid}-" in path]


@both
def test_nothing_is_left_of_a_run(place):
    process = place.start("-q", "--tasks", 64, "--", "sh", "-c", "mkdir -p /tmp/a/b; echo x >/tmp/a/b/c; exit 0")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert not scratch_of(process.pid)
    assert not [path for path in cgroup_leftovers() if f"/shunt-{process.pid}-" in path]


@as_user
def test_what_hardened_requires_may_be_taken_out(place):
    """On cgroup v1 an ordinary user has no memory limit: the way on is named, and is one."""
    done = place.run("--policy", "hardened", "--", "true")
    if done.returncode == 0:
        pytest.skip("hardened is to be had here")
    assert done.returncode == 6 and b"to go on without: --require=-memory" in done.stderr, done
    done = place.run("--policy", "hardened", "--require=-memory", "--", "echo", "ran")
    assert (done.returncode, done.stdout) == (0, b"ran\n") and b"not in force: " in done.stderr, done
