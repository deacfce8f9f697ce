# SPDX-License-Identifier: MIT
"""One budget for the machine: several runs at once, make -j above shunt, and make -j below it."""
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
from conftest import OPTIONS, SHUNT, Suite, clean_environment

pytestmark = pytest.mark.usefixtures("no_leftovers")

CPUS = len(os.sched_getaffinity(0))

# Each test notes when it began and ended, on one clock for all runs.
NOTING = """
import os, time, pytest
def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
def say(what):
    with open(os.environ["BUDGET_LOG"] + ".said", "a") as log:
        log.write(what + "\\n")
def note(begin):
    with open(os.environ["BUDGET_LOG"], "a") as log:
        log.write(f"{os.environ['BUDGET_NAME']} {begin} {now()}\\n")
@pytest.mark.parametrize("i", range(%d))
def test_one(i):
    begin = now()
    say(f"{os.environ['BUDGET_NAME']} begins")
    time.sleep(%s)
    note(begin)
say(f"{os.environ['BUDGET_NAME']} is collected")
"""


def spans(log):
    """(run, begin, end) of each test."""
    found = []
    for line in log.read_text().splitlines() if log.exists() else []:
        name, begin, end = line.split()
        found.append((name, int(begin), int(end)))
    return found


def most_at_once(found):
    edges = sorted([(b, 1) for _, b, _ in found] + [(e, -1) for _, _, e in found])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


@pytest.fixture
def runs(tmp_path):
    """start(name, count, options): a run with the budget of a pool of our own."""

    class Runs:
        log = tmp_path / "log"
        pool = tmp_path / "runtime" / "shunt-budget"
        env = {"BUDGET_LOG": str(log), "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
        processes = []

        def start(self, name, count, *options, seconds=0.05, **env):
            path = tmp_path / name
            path.mkdir()
            suite = Suite(path).write(test_a=NOTING % (count, seconds))
            process = suite.start("--budget=host", *options, env={**self.env, "BUDGET_NAME": name, **env})
            self.processes.append(process)
            return process

    (tmp_path / "runtime").mkdir(mode=0o700)
    made = Runs()
    made.processes = []
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=60)


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    return err


def test_two_runs_at_once_use_each_cpu_once(runs):
    a = runs.start("a", 40, "-n", CPUS)
    b = runs.start("b", 40, "-n", CPUS)
    for process in (a, b):
        err = finish(process)
        assert f"budget: {CPUS} test{'s' * (CPUS > 1)} at once, shared with every shunt run --budget=host" in err
    found = spans(runs.log)
    assert len(found) == 80
    assert most_at_once(found) <= CPUS
    # Neither waited until the other had ended.
    first_end = min(max(e for n, _, e in found if n == name) for name in "ab")
    assert all(any(b < first_end for n, b, _ in found if n == name) for name in "ab")


def test_more_runs_than_cpus_all_end(runs):
    processes = [runs.start(f"r{i}", 6, "-n", 2) for i in range(CPUS + 2)]
    for process in processes:
        finish(process)
    assert most_at_once(spans(runs.log)) <= CPUS


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(log, what):
    path = pathlib.Path(f"{log}.said")
    return path.read_text().splitlines().count(what) if path.exists() else 0


def test_a_killed_run_gives_its_slots_back(runs):
    """It holds every slot when it is killed, while the other one waits: without them that one could not run a single test."""
    a = runs.start("a", CPUS, "-n", CPUS, seconds=300)
    wait_for(lambda: said(runs.log, "a begins") == CPUS)
    b = runs.start("b", 4 * CPUS, "-n", CPUS, seconds=0.2)
    wait_for(lambda: said(runs.log, "b is collected"))
    time.sleep(0.5)
    assert said(runs.log, "b begins") == 0 and b.poll() is None, "all slots are taken"
    a.send_signal(signal.SIGKILL)
    a.communicate(timeout=60)
    finish(b)
    assert len(spans(runs.log)) == 4 * CPUS
    assert most_at_once(spans(runs.log)) == CPUS, "every slot came back"
    finish(runs.start("c", 1))  # removes what the killed one could not


def test_a_run_that_waits_says_for_what(runs):
    a = runs.start("a", CPUS, "-n", CPUS, seconds=8)
    wait_for(lambda: said(runs.log, "a begins") == CPUS)
    err = finish(runs.start("b", 1))
    assert err.count("other runs with --budget=host have all of them, and this one waits") == 1, err
    assert "this one waits" not in finish(a)


def test_a_run_inside_a_test_does_not_wait_for_the_test_around_it(runs):
    """Each slot is held by a test that waits for a run of its own."""
    inner = [str(SHUNT), "run", "-q", "--sandbox=off", "--budget=host", "-n", "2", "--", sys.executable, "-m", "pytest", "-q"]
    inner += ["-p", "no:cacheprovider", "inner"]
    path = runs.log.parent / "outer"
    path.mkdir()
    suite = Suite(path).write(
        inner__test_b="def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass",
        test_a=f"""
        import subprocess, pytest
        @pytest.mark.parametrize("i", range({CPUS}))
        def test_outer(i):
            done = subprocess.run({inner!r}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, text=True)
            assert done.returncode == 0, done.stdout
        """,
    )
    result = suite.run("-n", CPUS, "--budget=host", pytest_args=("test_a.py",), env=runs.env)
    assert result.status == 0, result


def test_serial_tests_take_a_slot_as_well(runs):
    a = runs.start("a", 12, "-n", CPUS)
    path = runs.log.parent / "serial"
    path.mkdir()
    suite = Suite(path).write(test_a=(NOTING % (12, 0.05)).replace("def test_one", "@pytest.mark.parallel_unsafe\ndef test_one"))
    result = suite.run("--budget=host", env={**runs.env, "BUDGET_NAME": "serial"})
    assert result.status == 0, result
    finish(a)
    assert most_at_once(spans(runs.log)) <= CPUS


@pytest.mark.parametrize("what", ["open", "link", "file"])
def test_a_pool_that_others_could_have_made_is_refused(runs, what):
    if what == "open":
        runs.pool.mkdir()
        runs.pool.chmod(0o777)
    elif what == "link":
        (runs.log.parent / "elsewhere").mkdir(mode=0o700)
        runs.pool.symlink_to(runs.log.parent / "elsewhere")
    else:
        runs.pool.mkdir(mode=0o700)
        (runs.pool / "tokens").write_text("")
    process = runs.start("a", 1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and "--budget host" in err and str(runs.pool) in err, err


def test_the_pool_is_private_and_gone_afterwards(runs):
    process = runs.start("a", 3, seconds=0.5)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (runs.pool / "tokens").exists():
        time.sleep(0.01)
    assert stat.S_IMODE(runs.pool.stat().st_mode) == 0o700
    finish(process)
    assert not runs.pool.exists()


# -- make --


def make(path, jobs, recipes, env):
    """Runs a makefile whose targets have one recipe line each."""
    lines = ["all: " + " ".join(recipes), ".PHONY: " + " ".join(recipes)]
    for target, recipe in recipes.items():
        lines += [f"{target}:", "\t" + recipe]
    (path / "Makefile").write_text("\n".join(lines) + "\n")
    return subprocess.run(["make", f"-j{jobs}"], cwd=path, env=clean_environment(**env), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)


def shunt_in_make(options, suite):
    return " ".join([str(SHUNT), "run", *OPTIONS, *options, "--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", suite])


needs_make = pytest.mark.skipif(not shutil.which("make"), reason="no make here")


@needs_make
def test_runs_below_make_share_its_jobs(suite):
    """-j3 for two runs that would like four tests each at once."""
    log = suite.path / "log"
    for name in "ab":
        suite.write(**{f"{name}__test_a": NOTING % (24, 0.05)})
    recipes = {name: f"+BUDGET_NAME={name} " + shunt_in_make(["-n", "4", "--cpu-share=off"], name) for name in "ab"}
    done = make(suite.path, 3, recipes, {"BUDGET_LOG": str(log)})
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("budget: shared with the make that started this run") == 2, done.stdout
    found = spans(log)
    assert len(found) == 48
    assert most_at_once(found) == 3
    assert "jobserver tokens" not in done.stdout, "make counts at its end"


@needs_make
def test_no_budget_below_make_where_none_is_wanted(suite):
    log = suite.path / "log"
    suite.write(a__test_a=NOTING % (12, 0.2))
    recipes = {"a": "+BUDGET_NAME=a " + shunt_in_make(["-n", "4", "--budget=none"], "a")}
    done = make(suite.path, 2, recipes, {"BUDGET_LOG": str(log)})
    assert done.returncode == 0 and "budget:" not in done.stdout, done.stdout
    assert most_at_once(spans(log)) == 4


@needs_make
def test_interrupted_or_killed_tests_give_makes_jobs_back(suite):
    """make complains at its end of tokens that did not come back."""
    suite.write(a__test_a="import os, pytest\n@pytest.mark.parametrize('i', range(8))\ndef test_dies(i): os._exit(1)\n")
    recipes = {"a": "+-" + shunt_in_make(["-n", "3", "--reroute=none"], "a")}
    done = make(suite.path, 3, recipes, {})
    assert "8 killed" in done.stdout and "jobserver tokens" not in done.stdout, done.stdout


@needs_make
def test_a_recipe_without_plus_is_told_so(suite):
    suite.write(a__test_a="def test_1(): pass")
    done = make(suite.path, 2, {"a": shunt_in_make([], "a"), "b": "true"}, {})
    assert done.returncode == 0, done.stdout
    version = subprocess.run(["make", "--version"], capture_output=True, text=True).stdout
    if tuple(map(int, re.search(r"(\d+)\.(\d+)", version).groups())) < (4, 4):
        assert "begin the recipe's line with +" in done.stdout, done.stdout


@needs_make
def test_make_inside_a_test_has_no_jobserver_that_it_cannot_reach(suite):
    """MAKEFLAGS of the make above is of no use inside, and would make the inner one complain."""
    suite.write(
        a__test_a="""
        import os, subprocess
        def test_make(tmp_path):
            (tmp_path / "Makefile").write_text("all: x y\\nx y:\\n\\t+@echo flags $(MAKEFLAGS)\\n")
            for jobs in ([], ["-j2"]):
                done = subprocess.run(["make", *jobs], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                assert done.returncode == 0 and "warning" not in done.stdout and "jobserver" not in os.environ["MAKEFLAGS"], done.stdout
                assert "flags" in done.stdout and "VARIABLE=kept" in os.environ["MAKEFLAGS"]
        """
    )
    recipes = {"a": "+" + shunt_in_make([], "a")}
    for budget in ("auto", "none"):
        recipes["a"] = "+" + shunt_in_make([f"--budget={budget}"], "a")
        done = make(suite.path, 2, recipes, {"MAKEFLAGS": "VARIABLE=kept"})
        assert done.returncode == 0, done.stdout


def fifo_environment(path, tokens):
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    os.write(fd, tokens)
    return fd, {"MAKEFLAGS": f" -j3 --jobserver-auth=fifo:{path}"}


def test_a_jobserver_in_a_fifo_as_make_4_4_has_it(suite):
    """Each byte comes back as it was read."""
    log = suite.path / "log"
    fd, env = fifo_environment(suite.path / "fifo", b"xy")
    try:
        suite.write(test_a=NOTING % (16, 0.1))
        result = suite.run("-n", 5, "--cpu-share=off", env={**env, "BUDGET_LOG": str(log), "BUDGET_NAME": "a"})
        assert result.status == 0, result
        assert most_at_once(spans(log)) == 3
        os.set_blocking(fd, False)
        assert sorted(os.read(fd, 10)) == sorted(b"xy")
    finally:
        os.close(fd)


def test_a_make_that_dies_takes_nobody_with_it(suite):
    """Its slots are gone with it; the run goes on without a budget, and says so."""
    log = suite.path / "log"
    fd, env = fifo_environment(suite.path / "fifo", b"")
    suite.write(test_a=NOTING % (30, 0.1))
    process = suite.start("-n", 3, "--cpu-share=off", env={**env, "BUDGET_LOG": str(log), "BUDGET_NAME": "a"})
    wait_for(lambda: len(spans(log)) >= 3)
    assert most_at_once(spans(log)) == 1, "there was no token"
    os.close(fd)
    err = finish(process)
    assert "make is gone" in err, err
    assert most_at_once(spans(log)) == 3


@pytest.mark.parametrize("flags", ["--jobserver-auth=fifo:/nowhere/at/all", "--jobserver-auth=77,78", "--jobserver-auth=what"])
def test_a_jobserver_that_is_not_there_is_named_and_nothing_else_happens(suite, flags):
    suite.write(test_a="def test_1(): pass\ndef test_2(): pass")
    result = suite.run("-n", 2, env={"MAKEFLAGS": " -j2 " + flags})
    assert result.status == 0 and "jobserver" in result.stderr, result
    assert "budget: shared" not in result.stderr


def test_waiting_for_a_slot_costs_no_cpu_time(suite):
    fd, env = fifo_environment(suite.path / "fifo", b"")
    try:
        suite.write(test_a="import time\ndef test_1(): time.sleep(1.5)\ndef test_2(): time.sleep(1.5)\ndef test_3(): pass")
        process = suite.start("-n", 3, env=env)
        time.sleep(1.2)
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text()
        used = sum(map(int, stat.rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
        finish(process)
        assert used < 0.5, "it would be a busy loop"
    finally:
        os.close(fd)


def test_the_last_user_removes_the_pool(runs):
    """And whoever comes while that happens gets a pool all the same: runs come and go at once."""
    for turn in range(4):
        processes = [runs.start(f"t{turn}-{i}", 2, "-n", 1) for i in range(4)]
        for process in processes:
            finish(process)
    assert not runs.pool.exists(), list(runs.pool.iterdir())
    assert len(spans(runs.log)) == 4 * 4 * 2
    assert most_at_once(spans(runs.log)) <= CPUS
