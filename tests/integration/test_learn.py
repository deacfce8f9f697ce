# SPDX-License-Identifier: MIT
"""--learn FILE: what it writes loads, is small, and is enough for the same command."""
import json
import os
import platform
import shutil
import stat
import subprocess
import tempfile
import textwrap

import pytest

from conftest import OPTIONS, ROOT, SHUNT, clean_environment

PYTHON = "/usr/bin/python3"
HARDENED = "the machine cannot give what hardened requires"


def shunt(*argv, cwd, timeout=120, **env):
    return subprocess.run(
        [str(SHUNT), *map(str, argv)],
        cwd=cwd,
        env=clean_environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
    )


class Learner:
    def __init__(self, path):
        self.path = path
        self.policy = path / "learned.yaml"
        self.profile = path / "learned.seccomp.json"

    def script(self, name, text):
        file = self.path / name
        file.write_text(textwrap.dedent(text))
        file.chmod(0o755)
        return f"./{name}"

    def learn(self, *command, options=(), status=0):
        done = shunt("exec", *OPTIONS, "--learn", "learned.yaml", *options, "--", *command, cwd=self.path)
        assert done.returncode == status, done
        return done

    def check(self):
        done = shunt("policy", "check", "learned.yaml", cwd=self.path)
        assert done.returncode == 0, done

    def replay(self, *command, status=0):
        done = shunt("exec", *OPTIONS, "--policy", "learned.yaml", "--", *command, cwd=self.path)
        if done.returncode == 6:
            pytest.skip(f"{HARDENED}: {done.stderr}")
        assert done.returncode == status, done
        assert "denied" not in done.stderr, done
        return done

    def text(self):
        return self.policy.read_text()

    def calls(self):
        rules = json.loads(self.profile.read_text())["syscalls"]
        return {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


@pytest.fixture
def learner(tmp_path):
    path = tmp_path / "project"
    path.mkdir()
    return Learner(path)


def test_true_needs_nothing(learner):
    done = learner.learn("/bin/true")
    learner.check()
    learner.replay("/bin/true")
    assert "extends: hardened" in learner.text()
    for key in ("writable", "network", "require: [-net", "Not added"):
        assert key not in learner.text(), learner.text()
    assert "execve" in learner.calls() and not learner.calls() & {"socket", "clone", "mkdir", "rename"}
    assert "shunt: learned: " in done.stderr and "no network" in done.stderr
    assert "system calls that hardened allows and this run did not make" in done.stderr
    assert "use it: shunt exec --policy learned.yaml -- /bin/true" in done.stderr
    assert "written: learned.yaml, learned.seccomp.json" in done.stderr


@pytest.mark.skipif(not ROOT, reason="root becomes an ordinary user, who has no cgroup here")
def test_what_an_ordinary_user_learned_the_same_user_can_use(learner):
    """hardened requires a limit on memory, which the run did without."""
    learner.path.chmod(0o777)
    for up in learner.path.parents[:3]:
        up.chmod(0o755)
    as_user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", str(SHUNT), "exec"]
    argv = ["--learn", "learned.yaml", "--", "/bin/true"], ["--policy", "./learned.yaml", "--", "/bin/true"]
    for options in argv:
        done = subprocess.run([*as_user, *options], cwd=learner.path, env=clean_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done
    assert ("  memory:" in learner.text()) != ("require: [-memory]" in learner.text())


def test_a_script_that_writes_where_it_is(learner):
    script = learner.script(
        "w.sh",
        """\
        #!/bin/sh
        set -e
        mkdir -p out
        for i in 1 2 3 4 5; do echo $i > out/$i; done
        mv out/2 out/6
        ln -s 3 out/link
        chmod 600 out/1
        cat out/1 > /tmp/of-the-sandbox
        echo > /dev/null
        rm -r out
        """,
    )
    learner.learn(script)
    learner.check()
    assert 'writable:\n    - "."\n' in learner.text()
    assert learner.text().count("    - ") == 1, learner.text()  # neither /tmp nor /dev
    learner.replay(script)
    # What it does else is refused.
    other = shunt("exec", *OPTIONS, "--policy", "learned.yaml", "--", "python3", "-c", "0", cwd=learner.path)
    assert not learner.calls() & {"socket", "connect"}, other


def test_the_policy_refuses_what_was_not_made(learner):
    script = learner.script("net.py", "import sys, socket\nif len(sys.argv) > 1: socket.socket()\n")
    learner.learn(PYTHON, script)
    learner.replay(PYTHON, script)
    done = shunt("exec", *OPTIONS, "--policy", "learned.yaml", "--", PYTHON, script, "x", cwd=learner.path)
    assert done.returncode == 1 and "denied: socket (policy learned, seccomp/learned.seccomp.json)" in done.stderr, done


def test_threads_and_a_loopback_server(learner):
    script = learner.script(
        "server.py",
        """\
        import http.server, threading, urllib.request

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert urllib.request.urlopen("http://127.0.0.1:%d/" % server.server_port).read()
        server.shutdown()
        thread.join()
        barrier = threading.Barrier(31)
        threads = [threading.Thread(target=barrier.wait) for _ in range(30)]
        for t in threads: t.start()
        barrier.wait()
        for t in threads: t.join()
        """,
    )
    done = learner.learn(PYTHON, script)
    learner.check()
    assert "loopback" in done.stderr and "network:" not in learner.text()
    if "tasks:" in learner.text():
        assert int(learner.text().split("  tasks: ")[1].split()[0]) >= 31
    learner.replay(PYTHON, script)


@pytest.mark.skipif(not shutil.which("gcc") or not shutil.which("make"), reason="needs gcc and make")
def test_a_compilation(learner):
    learner.script("a.c", "int main(void) { return 0; }\n")
    learner.script("Makefile", "a: a.c\n\tgcc -O1 -o a a.c\n\t./a\n")
    learner.learn("make")
    learner.check()
    (learner.path / "a").unlink()
    learner.replay("make")
    assert (learner.path / "a").exists()


def test_an_address_outside_is_the_host_network(learner):
    code = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    done = learner.learn(PYTHON, "-c", f"try:\n {code}\nexcept OSError: pass")
    learner.check()
    assert "network: host" in learner.text() and "require: [-net]" in learner.text()
    assert "+ network: host" in done.stderr


def test_places_outside_are_named(learner, tmp_path):
    """Of a policy that would refuse it: what a program does after a failure is not learned."""
    home = tmp_path / "home"
    home.mkdir()
    # Paths below /tmp are the sandbox's own, and so would be left out.
    outside = os.path.realpath(f"/var/lib/shunt-test-{os.getpid()}")
    try:
        os.mkdir(outside)
    except OSError as error:
        pytest.skip(f"no directory outside of /tmp: {error}")
    try:
        text = f"#!/bin/sh\nmkdir -p /usr/lib\necho x > {outside}/a && echo $MARK > {outside}/b\n"
        script = learner.script("o.sh", text)
        done = subprocess.run(
            [str(SHUNT), "exec", *OPTIONS, "--policy", "hardened", "--learn", "learned.yaml", "--", script],
            cwd=learner.path,
            env=clean_environment(MARK="passed"),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done
        assert open(f"{outside}/b").read() == "passed\n"
        learner.check()
        assert f'writable:\n    - "{outside}"\n' in learner.text() and learner.text().count("    - ") == 1
        assert f"+ writable: {outside}" in done.stderr
        learner.replay(script)
    finally:
        shutil.rmtree(outside)


def test_letters_beyond_ascii_are_text_too(learner, tmp_path):
    """The file's own name, and a path: both were question marks, or dropped as too odd."""
    outside = tempfile.mkdtemp(prefix="shunt learn é ", dir="/usr/lib")
    try:
        script = learner.script("o.sh", f"#!/bin/sh\necho x > '{outside}/a'\n")
        done = shunt("exec", *OPTIONS, "--learn", "l é.yaml", "--", script, cwd=learner.path)
        assert done.returncode == 0, done
        learner.policy = learner.path / "l é.yaml"
        assert 'seccomp: "l é.seccomp.json"\n' in learner.text() and f'    - "{outside}"\n' in learner.text()
        assert "too odd" not in done.stderr and "use it: shunt exec --policy 'l é.yaml' -- ./o.sh\n" in done.stderr, done
        assert shunt("policy", "check", "l é.yaml", cwd=learner.path).returncode == 0
        done = shunt("exec", *OPTIONS, "--policy", "l é.yaml", "--", script, cwd=learner.path)
        if done.returncode != 6:
            assert done.returncode == 0, done
    finally:
        shutil.rmtree(outside)


def test_a_name_that_no_policy_can_hold_is_refused_before_anything_runs(learner):
    done = subprocess.run(
        [str(SHUNT), "exec", *OPTIONS, "--learn", b"l\xff.yaml", "--", "touch", "ran"],
        cwd=learner.path, env=clean_environment(), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4 and b"UTF-8" in done.stderr, done
    assert not (learner.path / "ran").exists()


def test_what_fails_anyway_needs_nothing(learner):
    """EEXIST, ENOENT: not for want of a right to write."""
    script = learner.script(
        "f.sh",
        """\
        #!/bin/sh
        mkdir /usr /usr/lib
        mkdir /usr/lib/shunt-none/a
        echo > /usr/lib/shunt-none/b
        rm -f /usr/lib/shunt-none
        rmdir /usr/share/shunt-none
        exit 0
        """,
    )
    done = learner.learn(script)
    learner.check()
    assert "writable" not in learner.text() and "Not added" not in learner.text(), done


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system call numbers are of x86_64")
def test_pointers_to_nowhere(learner):
    """Openat, connect and openat2 with addresses and descriptors that are none: noted as calls, and nothing else."""
    code = """\
        import ctypes
        libc = ctypes.CDLL(None)
        pointer = ctypes.c_void_p
        for address in (0, 1, -1, 0x7FFFFFFFFFFF):
            libc.syscall(257, -100, pointer(address), 0o101, 0o600)
            libc.syscall(42, 3, pointer(address), 16)
            libc.syscall(42, 3, pointer(address), -1)
            libc.syscall(437, -100, pointer(address), pointer(address), 24)
        libc.syscall(257, 12345, b"relative", 0o101, 0o600)
        """
    script = learner.script("p.py", code)
    learner.learn(PYTHON, script)
    learner.check()
    assert "writable" not in learner.text() and "network" not in learner.text()


def test_dangerous_calls_are_named_and_not_added(learner):
    code = "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)"
    done = learner.learn(PYTHON, "-c", code)
    learner.check()
    assert "ptrace" not in learner.calls()
    assert "the run made them: ptrace\n" in learner.text()
    assert "not added, since they open what a sandbox closes: ptrace" in done.stderr


def test_a_file_that_exists_stays(learner):
    learner.learn("/bin/true")
    before, profile = learner.text(), learner.profile.read_text()
    done = learner.learn("/bin/true")
    assert "learned.yaml says so already" in done.stderr, done
    done = learner.learn("sh", "-c", "echo > made")
    assert learner.text() == before and learner.profile.read_text() == profile
    new = learner.path / "learned.yaml.new"
    assert '    - "."' in new.read_text()
    for line in ("--- learned.yaml\n", "+++ learned.yaml.new\n", '+    - "."\n'):
        assert line in done.stderr, done
    profile = "learned.seccomp.json"
    assert f"take it over: mv learned.yaml.new learned.yaml && mv {profile}.new {profile}" in done.stderr
    for name in ("learned.yaml", "learned.seccomp.json"):
        os.rename(learner.path / f"{name}.new", learner.path / name)
    learner.check()
    learner.replay("sh", "-c", "echo > made")


def test_a_command_that_fails_says_so(learner):
    done = learner.learn("sh", "-c", "exit 7", status=7)
    assert "it ended with status 7" in done.stderr
    learner.check()


@pytest.mark.parametrize("policy", ["standard", "hardened", "observe", "container"])
def test_under_each_policy(learner, policy):
    learner.learn("sh", "-c", "ls / > made", options=("--policy", policy))
    learner.check()
    assert '    - "."' in learner.text()


def test_a_file_that_cannot_be_written(learner):
    done = shunt("exec", "--learn", "/nowhere/x.yaml", "--", "touch", "ran", cwd=learner.path)
    assert done.returncode == 4 and "--learn: cannot write /nowhere/x.yaml" in done.stderr, done
    done = shunt("exec", "--learn", ".", "--", "touch", "ran", cwd=learner.path)
    assert done.returncode == 4, done
    assert not (learner.path / "ran").exists()


def test_without_notifications_it_does_not_start(learner):
    """Inside a sandbox that has the listener: there is only one."""
    inner = [str(SHUNT), "exec", "--learn", "inner.yaml", "--", "touch", "ran"]
    done = shunt("exec", *OPTIONS, "--policy", "standard", "--", *inner, cwd=learner.path)
    assert done.returncode == 6, done
    assert "--learn needs seccomp notifications, and they are not to be had here" in done.stderr
    assert "the only listener: learn outside of it" in done.stderr
    assert not (learner.path / "ran").exists() and not (learner.path / "inner.yaml").exists()


SUITE = """
    import socket, subprocess, threading

    def test_files(tmp_path):
        (tmp_path / "x").write_text("a")
        with open("made", "w") as f:
            f.write("x")

    def test_threads():
        barrier = threading.Barrier(21)
        threads = [threading.Thread(target=barrier.wait) for _ in range(20)]
        for t in threads: t.start()
        barrier.wait()
        for t in threads: t.join()
        assert subprocess.run(["true"]).returncode == 0

    def test_server():
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        client.close()
"""


@pytest.mark.parametrize("server", ["auto", "off"])
def test_a_suite(suite, server):
    suite.write(test_a=SUITE)
    result = suite.run("-n", 2, f"--fork-server={server}", "--learn", "learned.yaml")
    assert result.status == 0 and set(result.outcomes.values()) == {"passed"}, result
    assert not result.of("denied") and not result.incidents
    learned = Learner(suite.path)
    learned.check()
    assert 'writable:\n    - "."\n' in learned.text() and learned.text().count("    - ") == 1, learned.text()
    assert "network:" not in learned.text() and "loopback" in result.stderr
    assert not learned.calls() & {"unshare", "mount", "setns"}
    assert stat.S_IMODE(learned.policy.stat().st_mode) & 0o111 == 0
    again = suite.run("-n", 2, f"--fork-server={server}", "--policy", "learned.yaml")
    if again.status == 6:
        pytest.skip(f"{HARDENED}: {again.stderr}")
    assert again.status == 0 and set(again.outcomes.values()) == {"passed"}, again
    assert not again.of("denied"), again


@pytest.mark.parametrize(
    "options", [("--learn", "l.yaml"), ("--policy", "hardened"), ("--require", "net"), ("--write", "."), ("--userns=always",)]
)
def test_no_sandbox_and_what_asks_for_one_contradict(suite, options):
    """Each of these was dropped without a word."""
    suite.write(test_a="def test_a(): pass")
    result = suite.run("--sandbox=off", *options)
    assert result.status == 4 and "contradict" in result.stderr and options[0].partition("=")[0] in result.stderr, result
