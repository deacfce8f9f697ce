# SPDX-License-Identifier: MIT
"""One error that names the thing and the remedy, before anything is started."""
import os
import shutil
import subprocess
import sys

import pytest
from conftest import SHUNT, clean_environment


def shunt(*argv, cwd=None):
    return subprocess.run(
        [str(SHUNT), *argv], cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "argv, words",
    [
        (["run"], ["command"]),
        (["run", "--"], ["command"]),
        (["run", "--task", "5", "--", "pytest"], ["--task", "--tasks"]),
        (["run", "--tasks", "lots", "--", "pytest"], ["--tasks", "lots"]),
        (["run", "--tasks", "0", "--", "pytest"], ["--tasks", "0"]),
        (["run", "--tasks", "1", "--", "pytest"], ["--tasks", "from 4"]),
        (["run", "--events", "x", "--junit", "x", "--", "pytest"], ["--events", "--junit", "same file"]),
        (["run", "--memory", "5X", "--", "pytest"], ["--memory", "5X"]),
        (["run", "-n", "-3", "--", "pytest"], ["-3"]),
        (["run", "--timeout", "soon", "--", "pytest"], ["--timeout", "soon"]),
        (["run", "--reroute", "tasks,colour", "--", "pytest"], ["colour"]),
        (["run", "--", "no-such-command-here"], ["no-such-command-here"]),
        (["run", "--events", "/no/such/dir/e", "--", "pytest"], ["/no/such/dir/e"]),
        (["run", "--junit", "/no/such/dir/j", "--", "pytest"], ["/no/such/dir/j"]),
        (["exec", "--memory", "99999999T", "--", "true"], ["too large"]),
        (["exec", "-v", "-q", "--", "true"], ["--quiet", "--verbose"]),
        (["exec", "--policy", "docker.json", "--", "true"], ["seccomp profile", 'seccomp: "./docker.json"', "extends: standard"]),
        (["walk"], ["walk"]),
    ],
)
def test_usage(argv, words):
    done = shunt(*argv)
    assert done.returncode == 4, done
    for word in words:
        assert word in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) <= 5, done.stderr
    assert done.stdout == ""


def test_a_second_pytest_of_a_command(tmp_path):
    """It runs as it would without shunt, says why, and fails as it would."""
    (tmp_path / "test_a.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    again = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:xdist"
    done = shunt("run", "--no-history", "-n1", "--", "sh", "-c", f"{again}; {again} -k test_b", cwd=tmp_path)
    assert done.returncode == 0 and "1 passed, 1 deselected" in done.stdout, done
    said = [line for line in done.stderr.splitlines() if "unsupervised" in line]
    assert len(said) == 1 and "only the first session" in said[0] and "shunt run of its own" in said[0], done.stderr


def test_a_second_pytest_whose_xdist_does_not_know_worksteal(tmp_path):
    xdist = pytest.importorskip("xdist")
    if [int(n) for n in xdist.__version__.split(".")[:2]] >= [3, 2]:
        pytest.skip("this xdist knows worksteal")
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -n 2 --dist worksteal\n")
    again = f"{sys.executable} -m pytest -q -p no:cacheprovider"
    done = shunt("run", "--no-history", "-n1", "--", "sh", "-c", f"{again} && {again}", cwd=tmp_path)
    assert done.returncode == 4 and "1 passed" in done.stdout, done
    assert "ERROR: --dist worksteal: the installed xdist does not know it" in done.stderr, done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr, done


@pytest.mark.parametrize("names", [(), ("PYTHONPATH", "PYTEST_PLUGINS", "SHUNT_")], ids=["none", "shunts"])
def test_a_command_that_hands_on_few_variables(tmp_path, names):
    """As tox does; docs/migrating-from-xdist.md says which of ours it has to let through."""
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / "tox.py").write_text(
        "import os, sys\n"
        f"env = {{k: v for k, v in os.environ.items() if k in ('PATH', 'HOME') or k.startswith({names!r})}}\n"
        "os.execve(sys.executable, [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider'], env)\n"
    )
    done = shunt("run", "--no-history", "--", sys.executable, "tox.py", cwd=tmp_path)
    assert "1 passed" in done.stdout, done
    assert ("tox without pass_env" in done.stderr) == (not names), done.stderr
    assert ("shunt: 1 test: 1 passed" in done.stderr and " worker; " in done.stderr) or not names, done.stderr


def test_a_command_that_never_starts_pytest(tmp_path):
    """That none came is an error only where the command says that one should."""
    (tmp_path / "pytest").symlink_to(shutil.which("true"))
    done = shunt("run", "--", "./pytest", cwd=tmp_path)
    assert done.returncode == 4
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.endswith("no pytest came to shunt: nothing was supervised")], done.stderr
    assert lines[-1].startswith("  it starts none, or hides PYTHONPATH"), done.stderr


def test_a_pytest_that_fails_before_it_comes_is_not_said_to_be_none(tmp_path):
    (tmp_path / "pytest").symlink_to(shutil.which("false"))
    done = shunt("run", "--", "./pytest", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("  it failed before that (see above), starts none"), done.stderr


def test_a_crash_while_it_is_imported(tmp_path):
    (tmp_path / "test_a.py").write_text("import ctypes\n\nctypes.string_at(0)\n\ndef test_it():\n    pass\n")
    done = shunt("run", "--", sys.executable, "-m", "pytest", "-q", cwd=tmp_path)
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert lines[-2].endswith("died of SIGSEGV before it had told which tests there are: something that it imports ends the process"), done
    assert '"most recent call first" above' in lines[-1], done.stderr


@pytest.mark.parametrize("fds", [(1,), (2,), (0, 1, 2)])
def test_a_closed_stream_keeps_no_suite_from_running(suite, fds):
    """It was a hundred lines of traceback, "died of SIGINT", and status 3."""
    suite.write(test_a="def test_a(): print('x')", test_b="def test_b(): assert 0")
    closed = " ".join(f"{fd}>&-" if fd else "<&-" for fd in fds)
    result = suite.run("-n", 1, prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    assert result.status == 1 and "Traceback" not in result.stderr, result
    assert sorted(result.outcomes.values()) == ["failed", "passed"], result


@pytest.mark.parametrize("command", [["exec", "--", "true"], ["run", "--", "pytest"]])
def test_places_in_which_nothing_can_run_have_a_remedy(tmp_path, command):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD"; exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", str(SHUNT), *command], cwd=gone, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "cd to a directory that is there" in done.stderr, done
    script = 'ulimit -n 8; exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", str(SHUNT), *command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "ulimit -n 1024" in done.stderr, done
    if os.geteuid() == 0 and command[0] == "exec":
        user = ["prlimit", "--nproc=1", "setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]  # nobody else's
        argv = [*user, str(SHUNT), "exec", "--tasks", "8", "--", "true"]
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 3 and "ulimit -u" in done.stderr, done


def test_status_of_what_never_reaches_the_tests_is_the_frameworks_own(suite):
    suite.write(test_a="def test_x(: pass")
    ours = suite.run("-n", 2)
    status, stdout, _ = suite.plain()
    assert ours.status == status == 2
    assert "SyntaxError" in ours.stdout and "SyntaxError" in stdout


@pytest.mark.parametrize("args", [("--version",), ("--help",), ("--fixtures", "-q"), ("--collect-only", "-q"), ("--markers",)])
def test_pass_through(suite, args):
    suite.write(test_a="def test_x(): pass")
    ours = suite.run("-n", 2, pytest_args=args)
    status, stdout, _ = suite.plain(*args)
    assert ours.status == status == 0, ours
    if args[0] == "--collect-only":
        assert "test_a.py::test_x" in ours.stdout


def test_no_tests(suite):
    suite.write(test_a="")
    assert suite.run("-n", 2).status == 5


def test_unknown_pytest_option(suite):
    suite.write(test_a="def test_x(): pass")
    assert suite.run("-n", 2, pytest_args=("--no-such-option",)).status == 4


def test_scripts_that_start_pytest_work(suite):
    suite.write(test_a="def test_x(): pass\ndef test_y(): pass")
    script = suite.path / "run.sh"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -m pytest -q \"$@\"\n")
    script.chmod(0o755)
    events = suite.path / "e.jsonl"
    done = shunt("run", "-n", "2", "--events", str(events), "--", str(script), cwd=suite.path)
    assert done.returncode == 0, done
    assert events.read_text().count('"test-end"') == 2


def test_a_profile_that_is_not_there_has_a_remedy(tmp_path):
    (tmp_path / "own.yaml").write_text("policy: own\nextends: standard\nseccomp: nope.json\n")
    done = shunt("exec", "--policy", "own.yaml", "--", "true", cwd=tmp_path)
    assert done.returncode == 4 and "own.yaml:3: seccomp: nope.json: " in done.stderr, done
    assert "relative to the policy's file" in done.stderr, done


def test_each_line_of_what_is_missing_is_indented():
    if os.geteuid() != 0:
        pytest.skip("needs root, to be an ordinary user without a cgroup")
    user = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    done = subprocess.run(
        [*user, str(SHUNT), "exec", "-v", "--userns=never", "--memory", "64M", "--", "true"],
        cwd="/", env=clean_environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("shunt: not in force: "))
    assert done.returncode == 0 and all(line.startswith(("  ", "shunt: ")) for line in lines[at:]), done
