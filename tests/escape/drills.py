# SPDX-License-Identifier: MIT
"""Attacks on shunt itself: killed and stopped at any moment, spoken to by those who must not, lied to. A drill is a function
of (attempt); it returns None when all is as it must be, or says what is not."""
import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import execute
import fixtures
import inside

SLOW_MACHINE = "SHUNT_VM" in os.environ  # one processor, where each start takes a second
KILLS = 8 if SLOW_MACHINE else 30  # moments at which `shunt exec` is killed
RUN_KILLS = (0.02, 0.1, 0.25, 0.6)
GONE_WITHIN = 5  # seconds; the promise is one, on a machine that has nothing else to do

SLOW = '''
import os, time, subprocess, pytest
@pytest.mark.parametrize("i", range(40))
def test_it(i):
    open(f"{TOP}/ran-{i}", "w").close()
    subprocess.Popen(["sleep", "30"], start_new_session=True)
    time.sleep(0.3)
'''
ONE = "def test_it(): pass\n"


def cgroups_left(attempt):
    """Directories of dead shunts at or below where the attempt lives."""
    found = [p for place in attempt.places for p in pathlib.Path(place).rglob("shunt-[0-9]*") if p.is_dir()]
    return [p.name for p in found if not os.path.exists(f"/proc/{p.name.split('-')[1]}")]


def exec_command(attempt, *attack):
    return [
        *attempt.prefix(), str(attempt.shunt), "exec", "--policy", attempt.policy_argument, "--tasks", "32", "--",
        str(attempt.attack), f"--mark={attempt.mark}", *attack,
    ]  # fmt: skip


def start_exec(attempt, *attack):
    for place in attempt.places:
        fixtures.guard.let_enter(place)
    return subprocess.Popen(
        exec_command(attempt, *attack), cwd=attempt.work, env=attempt.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def swept(attempt):
    """The next run removes the cgroups of those that were killed."""
    process = start_exec(attempt, "own-loopback")
    _, err = process.communicate(timeout=20)
    if process.returncode:
        return f"the next one ended with {process.returncode}: {err.decode(errors='replace')[:200]}"
    left = cgroups_left(attempt)
    return f"the next one left {' '.join(left)}" if left else None


def gone(mark_or_run):
    """{}, or who still lives. On a busy machine the dead may need longer to leave."""
    look = mark_or_run.alive if isinstance(mark_or_run, inside.SuiteRun) else lambda: fixtures.processes_with(mark_or_run)
    fixtures.wait_until(lambda: not look(), GONE_WITHIN)
    alive = [pid for pid in look() if not fixtures.is_doomed(pid)]
    if not alive:
        fixtures.wait_until(lambda: not look(), 10)
        alive = look()
    return {pid: fixtures.described(pid) for pid in alive}


def shunt_pid(process, attempt):
    """setpriv and sh exec, so the child is shunt itself from the moment when it is called so."""

    def is_shunt():
        try:
            return os.readlink(f"/proc/{process.pid}/exe") == str(attempt.shunt)
        except OSError:
            return process.poll() is not None

    fixtures.wait_until(is_shunt, 5)
    return process.pid


def many_moments(attempt, blow):
    """`blow` at shunt at random moments of its start."""
    rng = random.Random(attempt.mark)
    for i in range(KILLS):
        process = start_exec(attempt, "linger", "20000", "3")
        pid = shunt_pid(process, attempt)
        moment = rng.uniform(0, 1 if SLOW_MACHINE else 0.05)
        time.sleep(moment)
        blow(process, pid)
        process.wait(10)
        process.stderr.close()
        left = gone(attempt.mark)
        if left:
            return f"killed after {moment * 1000:.1f} ms ({i + 1} of {KILLS}): {left} live {GONE_WITHIN:.0f} s later"
    return swept(attempt)


def kill_exec(attempt):
    return many_moments(attempt, lambda process, pid: process.kill())


def stop_exec(attempt):
    def blow(process, pid):
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.03)
        process.kill()

    return many_moments(attempt, blow)


def continue_exec(attempt):
    """Stopped for a while it goes on as if nothing had been."""
    rng = random.Random(attempt.mark)
    for _ in range(10):
        process = start_exec(attempt, "linger", "60", "1")
        shunt_pid(process, attempt)
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        process.send_signal(signal.SIGCONT)
        try:
            _, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "it never ended"
        if process.returncode:
            return f"status {process.returncode}: {err.decode(errors='replace')[:200]}"
    return None


# ---- shunt run -------------------------------------------------------------------------------


def slow_suite(attempt):
    """Its tests say in {top}/ran that they run, where the sandbox lets them write."""
    attempt.directory(attempt.work / "ran")
    return inside.SuiteRun(attempt, {"test_slow.py": SLOW.replace("{TOP}", str(attempt.work / "ran"))})


def started(run):
    """A test runs (events are written late, so look for what it starts)."""
    return fixtures.wait_until(lambda: run.events("test-start") or len(run.alive()) > 4, 20)


def next_run(attempt):
    (attempt.work / "test_slow.py").unlink()
    run = inside.SuiteRun(attempt, {"test_one.py": ONE}, ("-n", "1"))
    run.start()
    if run.finish(30) != 0:
        return f"the next run failed: {run.words()}"
    left = cgroups_left(attempt)
    return f"the next run left {' '.join(left)}" if left else None


def blow_at_run(attempt, blow, moments):
    for moment in moments:
        run = slow_suite(attempt)
        process = run.start()
        shunt_pid(process, attempt)
        if moment is None:
            started(run)
        else:
            time.sleep(moment)
        blow(process)
        process.wait(10)
        left = gone(run)
        if left:
            run.kill_rest()
            return f"{left} live {GONE_WITHIN:.0f} s after the blow at {moment}: {run.words()}"
    return next_run(attempt)


def kill_run(attempt):
    return blow_at_run(attempt, lambda process: process.kill(), (*RUN_KILLS, None))


def stop_run(attempt):
    def blow(process):
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        process.kill()

    return blow_at_run(attempt, blow, (0.1, None))


def kill_run_frozen(attempt):
    """^Z freezes the tests; then shunt is killed and can thaw nobody."""

    def blow(process):
        process.send_signal(signal.SIGTSTP)
        time.sleep(0.3)
        process.kill()

    return blow_at_run(attempt, blow, (None, 0.5))


SIBLINGS = '''
import json, os, pathlib, signal, subprocess, sys, time, pytest
ATTACK, MARK, PLACE = {attack!r}, {mark!r}, {place!r}

def test_victim():
    victim = subprocess.Popen([ATTACK, "--mark=victim-" + MARK, "victim"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    end = time.monotonic() + 20
    while time.monotonic() < end and not os.path.exists(PLACE + "/done"):
        time.sleep(0.02)
    out, _ = victim.communicate("", timeout=5)
    pytest.fail("SAID " + ascii(out.splitlines()[1:]), pytrace=False)

def test_attacker():
    end = time.monotonic() + 15
    while time.monotonic() < end and not os.path.exists(PLACE + "/pid"):
        time.sleep(0.02)
    time.sleep(0.05)
    pid = pathlib.Path(PLACE, "pid").read_text()
    said = [subprocess.run([ATTACK, "--mark=" + MARK, *words], capture_output=True, text=True).stdout.strip()
            for words in (["signal", pid, "10"], ["ptrace", pid], ["environment", pid])]
    pytest.fail("SAID " + ascii(said), pytrace=False)
'''


def signal_other_worker(attempt):
    """The runner tells one worker by what number the host knows a process of the other."""
    place = attempt.directory(attempt.top / "place")
    source = SIBLINGS.format(attack=str(attempt.attack), mark=attempt.mark, place=str(place))
    run = inside.SuiteRun(attempt, {"test_siblings.py": source})
    run.start()

    def victims():
        return [p for p in fixtures.processes_with(f"victim-{attempt.mark}")]

    found = fixtures.wait_until(victims, 15)
    time.sleep(0.1)
    attempt.file(place / "pid", str(found[0]) if found else "0")
    fixtures.wait_until(lambda: len([e for e in run.events("test-end")]) or run.process.poll() is not None, 4)
    attempt.file(place / "done", "")
    status = run.finish(60)
    said = {e["id"].split("::")[-1]: e.get("message", "") for e in run.events("test-end")}
    run.kill_rest()
    if not found or status != 1 or len(said) != 2:
        return f"status {status}, victim {found}: {run.words()}"
    if "['victim: succeeded untouched']" not in said["test_victim"]:
        return f"the other worker's process: {said['test_victim']}"
    return f"the attacker: {said['test_attacker']}" if "succeeded" in said["test_attacker"] else None


# What a test does to shunt; each file also has innocent tests, which must pass whatever happens.
INNOCENT = '''
import pytest
@pytest.mark.parametrize("i", range(8))
def test_innocent(i):
    pass
'''
HELPERS = '''
import array, json, os, re, socket, stat, subprocess, sys, time, pytest

def sockets():
    """Packet sockets among our descriptors: the channel to shunt."""
    for fd in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                s = socket.socket(fileno=os.dup(fd))
                if s.family == socket.AF_UNIX and s.type & 0xf == socket.SOCK_SEQPACKET:
                    yield s
        except OSError:
            pass

def boxes():
    for fd in range(3, 256):
        try:
            if "shunt-blackbox" in os.readlink(f"/proc/self/fd/{fd}"):
                yield fd
        except OSError:
            pass

HELLO = json.dumps({"t": "hello", "v": 1, "role": "controller", "pid": os.getpid(), "framework": "x", "runtime": "x"})
'''
CONNECT = HELPERS + '''
OWN = True

def paths():
    """Every socket of shunt's that can be heard of: the environment we began with, the kernel's list, the usual places."""
    text = ""
    for name in ("/proc/self/environ", "/proc/1/environ", f"/proc/{os.getppid()}/environ", "/proc/net/unix"):
        try:
            text += open(name, errors="replace").read()
        except OSError:
            pass
    text += " ".join(f"{k}={v}\\0" for k, v in os.environ.items())
    found = sorted(set(re.findall(r"[/@][^\\s\\0=:]*shunt[^\\s\\0=:]*", text)))
    own = f"shunt-{open('shunt-pid').read()}-"
    return [path for path in found if (own in path) == OWN]

def attempt_connect():
    said = []
    for path in paths():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(2)
        try:
            s.connect("\\0" + path[1:] if path[0] == "@" else path)
            s.send(HELLO.encode())
            answer = s.recv(4096).decode(errors="replace")
            if '"welcome"' in answer:
                said.append(path)
        except OSError:
            pass
    return said

def test_again():
    assert not attempt_connect()

def test_from_a_subprocess():
    code = "import sys; sys.path.insert(0, %r); import test_a; sys.exit(len(test_a.attempt_connect()))" % os.path.dirname(__file__)
    assert subprocess.run([sys.executable, "-B", "-c", code]).returncode == 0
'''
SUBPROCESS = HELPERS + '''
def test_a_child_speaks():
    """A child with our channel says that this test has passed, and that others have; then the test fails."""
    found = list(sockets())
    assert found
    pid = os.fork()
    if not pid:
        for s in found:
            for i in range(10):
                for header in ({"t": "done", "i": i, "outcome": "passed", "setup_us": 1, "call_us": 1, "teardown_us": 1,
                                "message": "", "kept": [], "stop": None}, {"t": "bye"}):
                    try:
                        s.send(json.dumps(header).encode(), socket.MSG_DONTWAIT)
                    except OSError:
                        pass
        os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.05)
    assert False, "the truth"
'''
LIES = HELPERS + '''
@pytest.mark.parametrize("lie", [b"", b"{", b"{}", b"[1]", b"\\xff" * 100, b'{"t":"done","i":99}', b'{"t":"bye"}',
                                 b'{"t":"ready"}', b'{"t":"' + b"x" * 60000 + b'"}', b'{"t":"done","i":-1,"outcome":"passed"}'])
def test_lie(lie):
    for s in sockets():
        s.send(lie)
    time.sleep(0.3)
'''
BOX = HELPERS + '''
@pytest.mark.parametrize("size", [0, 1, 4095, 1 << 40])
def test_truncate(size):
    found = list(boxes())
    assert found, "no black box"
    for fd in found:
        try:
            os.ftruncate(fd, size)
        except OSError:
            pass
    import threading
    t = threading.Thread(target=lambda: None); t.start(); t.join()

def test_garbage():
    for fd in boxes():
        os.pwrite(fd, b"\\xff" * 4096, 0)

def test_and_killed():
    for fd in boxes():
        try:
            os.ftruncate(fd, 0)
        except OSError:
            pass
        os.pwrite(fd, b"\\xff" * 64, 0)
    os.kill(os.getpid(), 9)
'''


def hostile_suite(attempt, source, expected_status, check):
    run = inside.SuiteRun(attempt, {"test_a.py": source, "test_b.py": INNOCENT})
    process = run.start()
    attempt.file(attempt.work / "shunt-pid", str(process.pid))
    status = run.finish(60)
    outcomes = {e["id"]: (e["outcome"], e.get("verdict")) for e in run.events("test-end")}
    left = gone(run)
    run.kill_rest()
    if left:
        return f"{left} live after shunt run"
    if status not in expected_status:
        return f"status {status}: {run.words()}"
    hurt = [i for i, (outcome, _) in outcomes.items() if "innocent" in i and outcome != "passed"]
    if hurt or sum("innocent" in i for i in outcomes) != 8:
        return f"innocent tests: {hurt or outcomes}"
    return check({i: o for i, o in outcomes.items() if "innocent" not in i})


def second_connection(attempt):
    return hostile_suite(
        attempt, CONNECT, {0}, lambda found: None if len(found) == 2 else f"outcomes: {found}"
    )


def other_run_connection(attempt):
    """A second run of the same user waits for its pytest: what a test of the first run says to it must not count."""
    late = attempt.directory(attempt.top / "late")
    attempt.file(late / "test_late.py", INNOCENT)
    attempt.file(late / "start", f"while [ ! -e go ]; do sleep 0.05; done; exec {inside.python()} -m pytest -q -p no:cacheprovider\n")
    command = inside.SuiteRun(attempt, {}, ("-n", "1")).command()
    places, attempt.places = attempt.places, attempt.bench.guard.place(attempt.uid)
    command = [*attempt.prefix(), *command[len(attempt.prefix()) : command.index("--events")]]
    events = attempt.file(attempt.top / "late.jsonl", "")
    other = subprocess.Popen(
        [*command, "--events", str(events), "--", "/bin/sh", "start"], cwd=late, env=attempt.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    late_places, attempt.places = attempt.places, places
    time.sleep(0.5)
    problem = hostile_suite(
        attempt, CONNECT.replace("OWN = True", "OWN = False"), {0},
        lambda found: None if len(found) == 2 else f"outcomes: {found}",
    )  # fmt: skip
    attempt.file(late / "go", "")
    _, err = other.communicate(timeout=60)
    ends = [e for e in map(json.loads, events.read_text().splitlines()) if e["event"] == "test-end"]
    for place in late_places:
        fixtures.guard.remove_tree(place)
    if other.returncode or len(ends) != 8:
        return f"the other run ended with {other.returncode}, {len(ends)} of 8 tests: {err.decode(errors='replace')[-200:]}"
    return problem


def subprocess_speaks(attempt):
    return hostile_suite(
        attempt, SUBPROCESS, {1},
        lambda found: None if [o for o, _ in found.values()] == ["failed"] else f"its lies were believed: {found}",
    )  # fmt: skip


def worker_lies(attempt):
    """A lie ends that worker and no other; the run says so, and it is never counted as passed in silence."""

    def check(found):
        passed = [i for i, (outcome, _) in found.items() if outcome == "passed"]
        return f"passed: {passed}" if passed or len(found) != 10 else None

    return hostile_suite(attempt, LIES, {1}, check)


def truncated_box(attempt):
    def check(found):
        wrong = [(i, o) for i, (o, _) in found.items() if (o != "passed") != ("killed" in i)]
        return f"outcomes: {wrong}" if wrong or len(found) != 6 else None

    return hostile_suite(attempt, BOX, {1}, check)


DRILLS = {f.__name__.replace("_", "-"): f for f in (
    kill_exec, stop_exec, continue_exec, kill_run, stop_run, kill_run_frozen, signal_other_worker, second_connection, other_run_connection,
    subprocess_speaks, worker_lies, truncated_box,
)}  # fmt: skip


def one(bench, row, policy, user, number):
    try:
        with fixtures.Attempt(bench, row, policy, user, f"drill-{number}") as attempt:
            problem = DRILLS[row.name](attempt)
            for place in attempt.places:
                fixtures.guard.remove_tree(pathlib.Path(place))
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        problem = f"the runner: {type(error).__name__}: {error}"
    if row.expected(policy, user) == "open":
        return execute.Result("open", problem or "held")
    lacking = row.guard & bench.missing.get((policy, user), set())
    if problem and lacking:
        return execute.Result("unmet", f"no {', '.join(sorted(lacking))} here: {problem}")
    return execute.Result("FAILED", problem) if problem else execute.Result("ok", "held")


def run(config, bench, jobs, board):
    numbers = itertools.count()

    def job(args):
        row, policy, user = args
        start = time.monotonic()
        result = one(bench, row, policy, user, next(numbers))
        board.add("drills", row.name, policy, user, result)
        if config.v:
            print(f"drill {policy} {user} {row.name}: {time.monotonic() - start:.1f} s", flush=True)

    with concurrent.futures.ThreadPoolExecutor(config.j) as pool:
        list(pool.map(job, [j for j in jobs if j[1:] not in board.lost]))


