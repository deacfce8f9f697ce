# SPDX-License-Identifier: MIT
"""Runs one attempt, bare or under `shunt exec`, and judges what came of it."""
import dataclasses
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time
import typing

import fixtures
import table

LATEST = 30  # seconds after which an attempt is a failure, whatever it does


@dataclasses.dataclass
class Seen:
    """What an attempt left behind."""

    end: str = "silent"  # succeeded, refused, absent
    detail: str = ""
    status: int = -1
    seconds: float = 0.0
    stderr: str = ""
    report: dict = dataclasses.field(default_factory=dict)
    alive: dict = dataclasses.field(default_factory=dict)
    complaints: typing.List[str] = dataclasses.field(default_factory=list)
    overdue: bool = False


@dataclasses.dataclass
class Result:
    """state: ok, open, unmet, absent, FAILED."""

    state: str
    text: str


def command_of(attempt, report):
    attack = [str(attempt.attack), f"--mark={attempt.mark}", fixtures.host_namespaces(), *attempt.arguments()]
    if attempt.policy == "bare":
        return [*attempt.prefix(), *attack]
    return [
        *attempt.prefix(), str(attempt.shunt), "exec", "--policy", attempt.policy_argument,
        "--tasks", str(attempt.tasks), "--memory", attempt.memory, "--timeout", attempt.timeout,
        "--report", str(report), *attempt.options, "--", *attack,
    ]  # fmt: skip


def before_exec(attempt):
    """In the child; limits only, which an exec keeps."""
    limit = getattr(attempt, "fd_limit", None)
    if not limit:
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def parse(seen, name, out):
    for line in out.decode(errors="replace")[-4096:].splitlines():
        if line.startswith(name + ": "):
            words = line[len(name) + 2 :].split(" ", 1)
            seen.end, seen.detail = words[0], words[1] if len(words) > 1 else ""


def collect(process, attempt, seen, out):
    """Waits for the end. What inherits its stdout may live on, so that is a file, or a pipe that nobody reads."""
    start = time.monotonic()
    if attempt.while_running:
        attempt.while_running()
    try:
        seen.status = process.wait(5 if attempt.endless else LATEST)
    except subprocess.TimeoutExpired:
        seen.overdue = True
        process.kill()
        process.wait()
    seen.seconds = time.monotonic() - start
    # At once: what shunt leaves behind for a moment is left behind.
    seen.alive = {pid: state for pid, state in fixtures.processes_with(attempt.mark).items() if not fixtures.is_doomed(pid)}
    if out:
        out.seek(max(0, out.seek(0, os.SEEK_END) - 4096))
        parse(seen, attempt.row.attack[0], out.read())


def run(attempt):
    seen = Seen()
    report = attempt.top / "report.json"
    if attempt.policy != "bare":
        attempt.file(report, "")
    with tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as out:
        pipe = os.pipe() if attempt.unread else None
        process = subprocess.Popen(
            command_of(attempt, report), cwd=attempt.work, env=attempt.environment(), stdin=attempt.stdin,
            stdout=pipe[1] if pipe else out, stderr=err, pass_fds=attempt.fds, preexec_fn=before_exec(attempt),
        )  # fmt: skip
        collect(process, attempt, seen, None if pipe else out)
        for fd in pipe or ():
            os.close(fd)
        err.seek(0)
        seen.stderr = err.read(4096).decode(errors="replace").strip()
    end_of_all(attempt, seen)
    try:
        seen.report = json.loads(report.read_text()) if attempt.policy != "bare" else {}
    except (OSError, ValueError):
        pass
    return seen


def end_of_all(attempt, seen):
    """The proofs, and an end to whatever still lives."""
    for proof in attempt.proofs:
        complaint = proof()
        if complaint:
            seen.complaints.append(complaint)
    for pid in fixtures.processes_with(attempt.mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    left = []
    for place in attempt.places:
        left += [p.name for p in pathlib.Path(place).glob("*/")]
        if not fixtures.guard.remove_tree(pathlib.Path(place)):
            left.append(str(place))
    if attempt.policy not in ("bare", "observe") and left and not seen.overdue:
        seen.complaints.append(f"cgroups are left: {' '.join(left)}")


# ---- judging ---------------------------------------------------------------------------------


def said(seen):
    return f"{seen.end} {seen.detail}".strip() + (f" (status {seen.status})" if seen.end == "silent" else "")


def judge_bare(row, user, seen):
    if seen.end == "absent":
        return Result("absent", seen.detail)
    if not row.can_bare(user):
        return Result("open", said(seen))
    if seen.end == "succeeded":
        return Result("ok", said(seen))
    if row.bare.endswith("?"):
        return Result("absent", f"this machine refuses it by itself: {seen.detail}")
    return Result("FAILED", said(seen))


def trouble(seen, row, expected):
    """What is wrong whatever the row expects. None: nothing."""
    if expected == "open":
        return None
    if seen.overdue:
        return f"no end after {LATEST} s"
    if expected == "rejected":
        return None
    if seen.status in (3, 4, 6) and seen.end == "silent":
        return f"shunt: status {seen.status}: {seen.stderr[:200]}"
    if seen.alive:
        return f"processes live after shunt: {seen.alive}"
    codes = {"succeeded": 0, "refused": 1, "absent": 2}
    if seen.end in codes and seen.status != codes[seen.end] and not seen.report.get("verdict") in table.VERDICTS:
        return f"status {seen.status}, and the attack's was {codes[seen.end]}"
    if not seen.report:
        return "no report was written"
    return None


def holds(word, row, seen):
    """Does what was seen meet one expectation? Proofs aside."""
    if word == "refused":
        return seen.end == "refused" and (seen.detail in row.errnos)
    if word == "rejected":
        return seen.end == "silent" and seen.status == 4 and "shunt: " in seen.stderr
    if word == "works":
        return seen.end == "succeeded"
    if word in table.VERDICTS:
        named = seen.report.get("verdict") == word or (word == "tasks" and (seen.report.get("tasks") or {}).get("refused"))
        return bool(named) and seen.seconds < 25
    return True


def missing(report):
    """Guarantees that shunt says are not in force here."""
    sandbox = report.get("sandbox") or {}
    found = sandbox.get("missing") or []
    return {m["guarantee"] if isinstance(m, dict) else m for m in found}


def judge(row, policy, user, seen):
    expected = row.expected(policy, user)
    wrong = trouble(seen, row, expected)
    if not wrong and seen.end == "absent":
        return Result("absent", seen.detail)
    if not wrong and expected != "open":
        if not any(holds(word, row, seen) for word in expected.split(",")):
            verdict = f", verdict {seen.report.get('verdict')}" if seen.report else ""
            wrong = f"expected {expected}: {said(seen)}{verdict}"
        elif seen.complaints:
            wrong = "; ".join(seen.complaints)
    if not wrong:
        return Result("open" if expected == "open" else "ok", said(seen))
    lacking = row.guard & missing(seen.report)
    if lacking and not seen.overdue:
        return Result("unmet", f"no {', '.join(sorted(lacking))} here: {said(seen)}")
    return Result("FAILED", wrong)


def attempt_row(bench, row, policy, user, number):
    if policy == "bare" and row.bare == "no":
        return Result("open", f"not tried: {row.why}")
    try:
        with fixtures.Attempt(bench, row, policy, user, number) as attempt:
            seen = run(attempt)
    except fixtures.Absent as why:
        return Result("absent", str(why))
    except (OSError, RuntimeError, KeyError, subprocess.SubprocessError) as error:
        return Result("FAILED", f"the runner: {type(error).__name__}: {error}")
    return judge_bare(row, user, seen) if policy == "bare" else judge(row, policy, user, seen)
