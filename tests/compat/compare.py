# SPDX-License-Identifier: MIT
"""Runs one suite under plain pytest, xdist and shunt, and says what differs."""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Sequence, Tuple

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHUNT = os.environ.get("SHUNT", str(ROOT / "build" / "shunt"))
PYTHON = os.environ.get("PYTHON", sys.executable)
MODES = ("plain", "xdist", "shunt")
OWN = re.compile(r"shunt[: ]|  (not-run|isolation) ")  # what shunt says beside pytest


@dataclass
class Case:
    """One row: a suite, how it is called, and what must be the same."""

    name: str
    files: Dict[str, str]  # path: text; or empty, with `suite` instead
    args: Sequence[str] = ()  # pytest's, in every mode
    first: Sequence[Sequence[str]] = ()  # arguments of runs that come before it, in the same mode
    like: str = "plain"  # which mode shunt is compared with; "" for none: `expect` alone decides
    modes: Sequence[str] = MODES  # xdist is left out where it has no such thing or breaks; `why` says so
    why: str = ""
    n: int = 2
    shunt_args: Sequence[str] = ()
    xdist_args: Sequence[str] = ()
    env: Dict[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()  # regular expressions: the lines of output that match are the same (as a multiset)
    properties: bool = True  # what tests recorded by record_property is the same
    status: bool = True  # exit statuses are the same
    tests: bool = True  # outcomes are the same
    expect: Optional[Callable[["Run"], Optional[str]]] = None  # further, of shunt's run: None, or what is wrong
    needs: Sequence[str] = ()  # modules; without them the case is left out, said by name
    before: Sequence[str] = ()  # between the interpreter and `-m pytest`
    package: str = ""  # Debian's package that brings them: see packages.py
    quick: bool = True  # a part of `make check`
    pty: bool = False  # with a terminal
    script: Sequence[Tuple[str, str]] = ()  # there: (text to wait for, what to type then)
    suite: Optional[pathlib.Path] = None  # a directory with the files, copied
    timeout: int = 120


class Run:
    """What one run said."""

    def __init__(self, mode, status, output, report, events, directory):
        self.mode, self.status, self.output, self.directory = mode, status, output, directory
        self.entries = report
        self.events = events

    @property
    def outcomes(self):
        """Counter of (id, outcome): a test that is reported twice is there twice."""
        found = Counter()
        for nodeid, phases in self._by_test().items():
            for word in phases:
                found[nodeid, word] += 1
        return found

    def _by_test(self):
        tests = {}
        for entry in self.entries:
            nodeid = strip_group(entry["id"])
            words = tests.setdefault(nodeid, [])
            if entry["when"] in ("setup", "teardown") and entry["outcome"] == "passed":
                continue
            if entry["outcome"] == "failed" and entry["when"] in ("setup", "teardown"):
                words.append("error")
            elif entry["xfail"]:
                words.append({"skipped": "xfailed", "passed": "xpassed"}.get(entry["outcome"], entry["outcome"]))
            else:
                words.append(entry["outcome"])
        return tests

    @property
    def properties(self):
        """Of each test what it recorded."""
        found = {}
        for entry in self.entries:
            if entry["when"] == "call":
                found[strip_group(entry["id"])] = entry["properties"]
        return found

    def values(self, name):
        return [value for properties in self.properties.values() for key, value in properties if key == name]

    def matching(self, expression):
        return Counter(normal(line) for line in self.output.splitlines() if re.search(expression, line) and not OWN.match(line))


def version_of_pytest():
    command = [PYTHON, "-c", "import pytest; print(pytest.__version__)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def strip_group(nodeid):
    """xdist adds @GROUP to ids under --dist loadgroup."""
    return re.sub(r"@[\w.-]+$", "", nodeid)


def normal(line):
    """Without what differs from run to run: times, addresses, and which worker it was."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
    line = re.sub(r"^\[gw\d+\] linux -- .*$", "", line)
    line = re.sub(r"\[gw\d+\] *(\[ *\d+%\] *)?", "", line)
    line = re.sub(r"\b\d+\.\d+s\b", "0.00s", line)
    line = re.sub(r"0x[0-9a-f]+", "0x", line)
    line = re.sub(r"popen-gw\d+/?", "", line)
    line = re.sub(r"pytest-\d+/", "pytest-0/", line)
    line = re.sub(r"/tmp/compat-\w+/\w+", "DIR", line)
    line = line.strip()
    return line.strip("= ") if line.startswith("=") else line


def environment(extra):
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTEST_", "SHUNT_", "COV_")) and k not in ("NO_COLOR", "MAKEFLAGS", "MFLAGS", "CI")
    }
    env.update(PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(HERE), COLUMNS="100", TERM="dumb")
    env.update(extra)
    return env


def command(mode, args, n, python=PYTHON, shunt_args=(), xdist_args=(), events=None, before=()):
    pytest = [python, *before, "-m", "pytest", "-p", "compat_report"]
    if mode == "plain":
        return [*pytest, "-p", "no:xdist", *args]
    if mode == "xdist":
        return [*pytest, "-n", str(n), *xdist_args, *args]
    options = ["--no-history", *(["--events", str(events)] if events else []), *shunt_args]
    if n and not any(str(a) in ("-n", "--workers") for a in shunt_args):  # n=0: what the suite says
        options += ["-n", str(n)]
    return [SHUNT, "run", *options, "--", *pytest, *args]


def run_mode(mode, directory, args, n=2, env=None, timeout=120, script=None, shunt_args=(), xdist_args=(), before=()) -> Run:
    """One run of pytest in `directory`; `args` are pytest's own. With `script` it has a terminal."""
    with tempfile.TemporaryDirectory(prefix="compat-report-") as where:
        report, events = pathlib.Path(where, "report"), pathlib.Path(where, "events")
        argv = command(mode, args, n, shunt_args=shunt_args, xdist_args=xdist_args, events=events, before=before)
        environ = environment({"COMPAT_REPORT": str(report), **(env or {})})
        os.chmod(where, 0o777)
        status, output = _call(argv, directory, environ, timeout, script)
        return Run(mode, status, output, _json_lines(report), _json_lines(events), directory)


def _json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _call(argv, directory, environ, timeout, script):
    if script is not None:
        from terminal import in_terminal

        return in_terminal(argv, directory, environ, timeout, script)
    try:
        done = subprocess.run(
            argv, cwd=directory, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return -1, (error.stdout or b"").decode(errors="replace") + f"\n(no end within {timeout} s)"
    return done.returncode, done.stdout.decode(errors="replace")


def write_suite(case, directory):
    if case.suite is not None:
        import shutil

        shutil.copytree(case.suite, directory, dirs_exist_ok=True)
    for name, text in case.files.items():
        file = pathlib.Path(directory, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def run_case(case, modes) -> Dict[str, Run]:
    """Each mode in a fresh copy of the suite, in directories of the same name length."""
    runs = {}
    with tempfile.TemporaryDirectory(prefix="compat-") as top:
        os.chmod(top, 0o755)
        for mode in modes:
            directory = pathlib.Path(top, f"{mode:_<5}")
            directory.mkdir()
            write_suite(case, directory)
            for args in case.first:
                run_mode(mode, directory, args, case.n, case.env, case.timeout)
            runs[mode] = run_mode(
                mode, directory, case.args, case.n, case.env, case.timeout, list(case.script) if case.pty else None,
                case.shunt_args, case.xdist_args, case.before,
            )
            if mode == "shunt" and case.expect is not None:
                runs[mode].wrong = _expected(case, runs[mode])
    return runs


def _expected(case, run):
    try:
        return case.expect(run)
    except Exception as error:  # the check itself found something else than it looked for
        return f"{type(error).__name__}: {error}"


def differences(reference: Run, run: Run, case: Case) -> List[str]:
    """What of `run` is not as in `reference`, one line each."""
    found = []
    if case.status and reference.status != run.status:
        found.append(f"exit status {run.status}, {reference.mode} has {reference.status}")
    if case.tests:
        for (nodeid, word), count in sorted((reference.outcomes - run.outcomes).items()):
            found.append(f"{nodeid[:200]}: {word} under {reference.mode}{_times(count)}, not under {run.mode}")
        for (nodeid, word), count in sorted((run.outcomes - reference.outcomes).items()):
            found.append(f"{nodeid[:200]}: {word} under {run.mode}{_times(count)}, not under {reference.mode}")
    if case.properties:
        theirs, ours = reference.properties, run.properties
        for nodeid in sorted(set(theirs) & set(ours)):
            if theirs[nodeid] != ours[nodeid]:
                found.append(f"{nodeid[:200]}: recorded {ours[nodeid]}, {reference.mode} has {theirs[nodeid]}")
    for expression in case.lines:
        theirs, ours = reference.matching(expression), run.matching(expression)
        if not theirs:
            found.append(f"no line of {reference.mode}'s matches {expression!r}: the case compares nothing")
        found += [f"line of {reference.mode} is missing: {line}" for line in (theirs - ours)]
        found += [f"line that {reference.mode} has not: {line}" for line in (ours - theirs)]
    return found


def _times(count):
    return f" ({count} times)" if count > 1 else ""
