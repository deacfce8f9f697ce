# SPDX-License-Identifier: MIT
"""The same attacks from a test, in a worker of `shunt run`: one run for each policy and user, one test for each row."""
import json
import os
import pathlib
import signal
import subprocess
import time

import execute
import fixtures
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]

SUITE = '''
import json, pathlib, subprocess, pytest
ROWS = json.loads(pathlib.Path(__file__).with_name("rows.json").read_text())

@pytest.mark.parametrize("row", sorted(ROWS))
def test_row(row):
    done = subprocess.run(ROWS[row], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=25)
    pytest.fail("SAID " + done.stdout.strip().splitlines()[-1], pytrace=False)
'''


def python():
    found = subprocess.run([ROOT / "tests/tools/find-python"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def suite_row(name="suite", setup=()):
    """A row of nobody's, for an Attempt that holds a suite."""
    return table.Row(name, "", [name], setup, False, frozenset(), "no", frozenset(), {}, "")


class SuiteRun:
    """A suite in an Attempt's directory, and `shunt run` of it."""

    def __init__(self, attempt, files, options=("-n", "2"), pytest_arguments=()):
        self.attempt, self.options, self.pytest_arguments = attempt, options, pytest_arguments
        self.events_path = attempt.top / "events.jsonl"
        attempt.file(self.events_path, "")
        for name, text in files.items():
            attempt.file(attempt.work / name, text)
        self.err = attempt.top / "stderr"

    def command(self):
        attempt = self.attempt
        knows = "--policy" in subprocess.run([attempt.shunt, "run", "--help"], capture_output=True, text=True).stdout
        if not knows and attempt.policy != "standard":
            raise RuntimeError("shunt run has no --policy")
        return [
            *attempt.prefix(), str(attempt.shunt), "run", *(("--policy", attempt.policy_argument) if knows else ()),
            "--events", str(self.events_path), *self.options, "--",
            python(), "-m", "pytest", "-p", "no:cacheprovider", "-q", *self.pytest_arguments,
        ]  # fmt: skip

    def start(self):
        for place in self.attempt.places:
            fixtures.guard.let_enter(place)
        with open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                self.command(), cwd=self.attempt.work, env=self.attempt.environment(), stdin=subprocess.DEVNULL,
                stdout=err, stderr=err, start_new_session=True,
            )
        return self.process

    def finish(self, seconds=90):
        """The exit status; None when it had to be killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def events(self, name=None):
        found = []
        for line in self.events_path.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                pass  # the last line of a killed run
        return [e for e in found if name in (None, e["event"])]

    def alive(self):
        """Pids of the run: they have its directory as their own, or the mark."""
        found = set(fixtures.processes_with(self.attempt.mark))
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/cwd") == str(self.attempt.work) and int(pid) != os.getpid():
                    if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                        found.add(int(pid))
            except OSError:
                pass
        return found

    def words(self):
        return self.err.read_text(errors="replace").strip()[-400:]

    def kill_rest(self):
        for pid in self.alive():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for place in self.attempt.places:
            fixtures.guard.remove_tree(pathlib.Path(place))


def judge(row, policy, user, message, attempt, lacking):
    seen = execute.Seen(complaints=[c for c in (proof() for proof in attempt.proofs) if c])
    if message is None or "SAID " not in message:
        return execute.Result("FAILED", f"no answer: {message}")
    execute.parse(seen, row.attack[0], message.partition("SAID ")[2].encode())
    expected = row.expected(policy, user)
    wrong = None
    if seen.end == "absent":
        return execute.Result("absent", seen.detail)
    if expected != "open":
        if not any(execute.holds(word, row, seen) for word in expected.split(",")):
            wrong = f"expected {expected}: {execute.said(seen)}"
        elif seen.complaints:
            wrong = "; ".join(seen.complaints)
    if not wrong:
        return execute.Result("open" if expected == "open" else "ok", execute.said(seen))
    if row.guard & lacking:
        return execute.Result("unmet", f"no {', '.join(sorted(row.guard & lacking))} here: {execute.said(seen)}")
    return execute.Result("FAILED", wrong)


def lacking_of(events):
    """Guarantees that the run itself says it lacks."""
    found = set()
    for event in events:
        if event["event"] == "run-start":
            found |= {m["guarantee"] if isinstance(m, dict) else m for m in event.get("lacking", [])}
    return found


def run_column(bench, rows, board, policy, user):
    with fixtures.contextlib.ExitStack() as stack:
        holder = stack.enter_context(fixtures.Attempt(bench, suite_row(setup=["launcher"]), policy, user, f"run-{policy}-{user}"))
        attempts, commands = {}, {}
        for number, row in enumerate(rows):
            try:
                attempt = fixtures.Attempt(bench, row, policy, user, f"run-{policy}-{user}-{number}")
                attempts[row.name] = stack.enter_context(attempt)
            except fixtures.Absent as why:
                board.add("run", row.name, policy, user, execute.Result("absent", str(why)))
                continue
            if "launcher" in row.setup:  # it is this run's that is attacked
                attempt.values["launcher"], attempt.proofs = holder.values["launcher"], holder.proofs
            words = (f"--mark={attempt.mark}", fixtures.host_namespaces(), *attempt.arguments())
            commands[row.name] = [str(attempt.attack), *words]
        run = SuiteRun(holder, {"test_rows.py": SUITE, "rows.json": json.dumps(commands)}, ("-n", "2", "--tasks", "64"))
        run.start()
        status = run.finish()
        events = run.events()
        said = {e["id"].partition("[")[2][:-1]: e.get("message") for e in events if e["event"] == "test-end"}
        lacking = lacking_of(events)
        if status != 1:
            board.add("run", "whole-run", policy, user, execute.Result("FAILED", f"status {status}: {run.words()}"))
        for row in rows:
            if row.name in attempts and (status == 1 or row.name in said):
                result = judge(row, policy, user, said.get(row.name), attempts[row.name], lacking)
                if result.state == "ok" and (row.name, user) in board.refused_bare:
                    result = execute.Result("absent", board.refused_bare[row.name, user])
                board.add("run", row.name, policy, user, result)
        alive = run.alive()
        if alive and policy != "observe":
            board.add("run", "nothing-left", policy, user, execute.Result("FAILED", f"{alive} live after shunt run"))
        run.kill_rest()
        for attempt in attempts.values():
            for place in attempt.places:
                fixtures.guard.remove_tree(pathlib.Path(place))


def run(config, bench, jobs, board):
    columns = {}
    for row, policy, user in jobs:
        columns.setdefault((policy, user), []).append(row)
    for (policy, user), rows in columns.items():
        if (policy, user) in board.lost:
            continue
        start = time.monotonic()
        try:
            run_column(bench, rows, board, policy, user)
        except RuntimeError as error:
            board.add("run", "whole-run", policy, user, execute.Result("FAILED", str(error)))
        if config.v:
            print(f"run {policy} {user}: {time.monotonic() - start:.1f} s", flush=True)
