# SPDX-License-Identifier: MIT
"""Runs of tests that are programs: a directory, and `shunt run` or `shunt list` in it."""
import json
import subprocess
import time

from conftest import OPTIONS, SHUNT, Result, clean_environment


class Project:
    def __init__(self, path):
        self.path = path
        self.count = 0
        self.history = False

    def write(self, name, text, mode=0o644):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return self

    def commands(self, *tests):
        """Each a line for sh, or what becomes a JSON object."""
        lines = [t if isinstance(t, str) else json.dumps(t) for t in tests]
        return self.write("cases.txt", "".join(line + "\n" for line in lines))

    def argv(self, options, command):
        events = self.path / f"events-{self.count}.jsonl"
        argv = [str(SHUNT), "run", *OPTIONS, "--events", str(events), *map(str, options)]
        argv += [] if self.history else ["--no-history"]
        argv += ["--", *map(str, command)] if command else ["--from", "cases.txt"]
        return argv, events

    def start(self, *options, command=(), **kwargs):
        self.count += 1
        argv, events = self.argv(options, command)
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(
            argv, cwd=self.path, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs
        )
        process.events_path = events
        return process

    def run(self, *options, command=(), timeout=120, env=None, stdin=""):
        self.count += 1
        argv, events = self.argv(options, command)
        start = time.monotonic()
        done = subprocess.run(
            argv,
            cwd=self.path,
            env=clean_environment(**(env or {})),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr, events, time.monotonic() - start)

    def list(self, *options, command=()):
        """(exit status, document or None, stderr)"""
        argv = [str(SHUNT), "list", "--json", *map(str, options), "--no-history"]
        argv += ["--", *map(str, command)] if command else ["--from", "cases.txt"]
        done = subprocess.run(argv, cwd=self.path, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def ended(result, test):
    """The "test-end" event of this test."""
    found = [e for e in result.of("test-end") if e["id"] == test]
    assert len(found) == 1, (test, result)
    return found[0]
