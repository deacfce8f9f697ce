# SPDX-License-Identifier: MIT
"""Drives the real binary on real suites, and reads what it wrote: screen, events, JUnit, exit status."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHUNT = pathlib.Path(os.environ.get("SHUNT", ROOT / "build" / "shunt"))
# Options of every run, e.g. --adopt-cgroup where the cgroup is shared with the shell (tests/vm/run).
OPTIONS = os.environ.get("SHUNT_TEST_OPTIONS", "").split()


def clean_environment(**extra):
    """The environment without what an outer pytest or CI left in it."""
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTEST_", "SHUNT_", "COV_")) and k not in ("NO_COLOR", "MAKEFLAGS", "MFLAGS")
    }
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env.update(extra)
    return env


class Result:
    """One finished run."""

    def __init__(self, status, stdout, stderr, events_path, seconds):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.events = []
        if events_path.exists():
            self.events = [json.loads(line) for line in events_path.read_text().splitlines()]

    def of(self, event):
        return [e for e in self.events if e["event"] == event]

    @property
    def outcomes(self):
        """Outcome by test id; fails when a test has more than one."""
        found = {}
        for e in self.of("test-end"):
            assert e["id"] not in found, f"{e['id']} ended twice"
            found[e["id"]] = e["outcome"]
        return found

    @property
    def incidents(self):
        return self.of("incident")

    def verdicts(self):
        """(last part of the id, verdict) of each incident, sorted."""
        return sorted(((i.get("id") or "-").split("::")[-1], i["verdict"]) for i in self.incidents)

    def __repr__(self):
        return f"<exit {self.status}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}>"


class Suite:
    """A suite in a temporary directory, and ways to run it."""

    def __init__(self, path):
        self.path = path
        self.count = 0
        self.history = False  # of earlier runs: off, so that each run is the first one

    def write(self, **files):
        """write(test_a="...", conftest="..."): module name without .py = source."""
        for name, source in files.items():
            file = self.path / (name.replace("__", "/") + ".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(source))
        return self

    def command(self, *options, pytest_args=(), python=None):
        self.count += 1
        events = self.path / f"events-{self.count}.jsonl"
        argv = [str(SHUNT), "run", *OPTIONS, "--events", str(events), *map(str, options)]
        argv += ["--"] if self.history else ["--no-history", "--"]
        argv += [python or sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *pytest_args]
        return argv, events

    def start(self, *options, pytest_args=(), env=None, **kwargs):
        argv, events = self.command(*options, pytest_args=pytest_args)
        process = subprocess.Popen(
            argv,
            cwd=self.path,
            env=clean_environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **kwargs,
        )
        process.events_path = events
        return process

    def run(self, *options, pytest_args=(), env=None, timeout=120, prefix=()):
        argv, events = self.command(*options, pytest_args=pytest_args)
        start = time.monotonic()
        done = subprocess.run(
            [*prefix, *argv],
            cwd=self.path,
            env=clean_environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
        return Result(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
            events,
            time.monotonic() - start,
        )

    def plain(self, *pytest_args, env=None, timeout=120):
        """The same suite under pytest alone: (exit status, stdout, stderr)."""
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *pytest_args],
            cwd=self.path,
            env=clean_environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "suite"
    path.mkdir()
    return Suite(path)


def cgroup_leftovers():
    """Directories of shunt runs that still exist anywhere in the mounted hierarchies, and whose shunt does not."""
    # Other runs on this machine come and go: os.walk() does not mind.
    walk = os.walk("/sys/fs/cgroup")
    found = [pathlib.Path(at, d) for at, dirs, _ in walk for d in dirs if d.startswith("shunt-") and d[6:7].isdigit()]
    return sorted(str(p) for p in found if not os.path.exists(f"/proc/{p.name.split('-')[1]}"))


@pytest.fixture
def no_leftovers():
    """Fails when the test leaves cgroups or scratch directories behind."""
    before = cgroup_leftovers()
    yield
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and set(cgroup_leftovers()) - set(before):
        time.sleep(0.05)
    assert not set(cgroup_leftovers()) - set(before)


def run_start():
    """What shunt says of this place: its "run-start" event, from a run of one test."""
    with tempfile.TemporaryDirectory() as path:
        suite = Suite(pathlib.Path(path)).write(test_a="def test_it(): pass")
        result = suite.run("-n", 1)
        assert result.status == 0 and result.of("run-start"), result
        return result.of("run-start")[0]


PLACE = run_start()
HAS_CGROUPS = "(tasks, memory" in PLACE["cgroup"]
if os.environ.get("SHUNT_TEST_CGROUP") == "required" and not HAS_CGROUPS:
    raise pytest.UsageError(f"this place must have cgroups with limits, and has not: {PLACE}")

needs_cgroups = pytest.mark.skipif(
    not HAS_CGROUPS, reason="shunt: " + (PLACE["cgroup"] or PLACE["missing"].partition("\n")[0])
)
needs_stalls = pytest.mark.skipif(
    "stall" in PLACE["missing"], reason="shunt: no stall detection here (its header says why)"
)


def pytest_sessionfinish(session):
    """SHUNT_TEST_SKIPS=forbidden: here everything must run, so that green means it did."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if os.environ.get("SHUNT_TEST_SKIPS") == "forbidden" and reporter.stats.get("skipped"):
        session.exitstatus = 1
