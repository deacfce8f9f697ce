# SPDX-License-Identifier: MIT
"""Plugins, each with a suite that uses it (tests/compat/plugins/NAME)."""
import json
import os
import pathlib
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import packages  # noqa: E402
from compare import Case  # noqa: E402

SUITES = pathlib.Path(__file__).resolve().parents[1] / "plugins"


def no_incident(further):
    """These tests behave: whatever shunt finds is a false alarm, unless they waited for a CPU of a busy machine."""

    def check(run):
        incidents = [e for e in run.events if e["event"] == "incident" and e["verdict"] != "contention"]
        found = [f"[{e['verdict']}] {e['id']}: {e['text']}" for e in incidents]
        return "; ".join(found) or (further(run) if further is not None else None)

    return check


def plugin(name, module, package=None, suite=None, **more):
    """A case named like the plugin, in its suite's directory. `package`: Debian's, or several."""
    if package is None:
        package = f"python3-pytest-{name}"
    more.setdefault("quick", False)
    if not more.pop("incidents", False):
        more["expect"] = no_incident(more.get("expect"))
    env = {**packages.environment(package), **more.pop("env", {})}
    modules = [module] if isinstance(module, str) else module
    return Case(
        name.replace("-", "_"), more.pop("files", {}), suite=SUITES / (suite or name), needs=modules, package=package,
        env=env, **more
    )




def measured(directory, contexts=False):
    """{(file, line): by which tests} of the .coverage file that a run left."""
    from coverage import CoverageData

    data = CoverageData(basename=str(directory / ".coverage"))
    data.read()
    return {
        (os.path.basename(file), line): frozenset(found) if contexts else None
        for file in data.measured_files()
        for line, found in data.contexts_by_lineno(file).items()
        if file.startswith(str(directory / "lib"))
    }


def same_contexts(run):
    """--cov-context: which test reached which line is what plain pytest says."""
    ours, theirs = measured(run.directory, True), measured(run.directory.parent / "plain", True)
    if not any(len(found) > 3 for found in theirs.values()):
        return "plain pytest measured no contexts: nothing is compared"
    text = (SUITES / "cov" / "lib" / "calc.py").read_text().splitlines()
    once = ("calc.py", 1 + text.index('    return "session"'))  # the session ends once in each worker, in its last test
    wrong = [key for key in sorted(theirs.keys() | ours.keys()) if key != once and ours.get(key) != theirs.get(key)]
    return f"{len(wrong)} lines with other contexts: {[(k, theirs.get(k), ours.get(k)) for k in wrong[:3]]}" if wrong else None


def same_lines(run):
    """The file that `coverage run` leaves holds the same lines, and there is no other file beside it."""
    ours, theirs = measured(run.directory), measured(run.directory.parent / "plain")
    left = sorted(p.name for p in run.directory.glob(".coverage.*"))
    if len(theirs) < 15:
        return f"plain pytest measured {len(theirs)} lines: nothing is compared"
    if ours != theirs or left:
        return f"missing {sorted(theirs.keys() - ours.keys())}, too many {sorted(ours.keys() - theirs.keys())}, left {left}"
    return None


def forked(run):
    """Workers were forked, not started cold."""
    return "workers were started cold" if "started cold" in run.output else None


def one_header(run):
    """Cold workers collect for themselves, and say nothing of it."""
    found = sum("test session starts" in line or line.startswith("collected ") for line in run.output.splitlines())
    return None if found == 2 else f"{found} lines of headers instead of 2"


def has(*expressions):
    """The output of shunt's run has a line for each."""

    def check(run):
        lacking = [e for e in expressions if not any(re.search(e, line) for line in run.output.splitlines())]
        return f"no line matches {lacking}" if lacking else None

    return check


KILLED = """
import os, time
import pytest
from lib import calc

@pytest.mark.parametrize("n", range(3))
def test_before(n):
    calc.add(n, n)

def test_waits():
    calc.never()
    time.sleep(2.1)  # the worker saves what it has after it

def test_not_saved():
    calc.add(1, 1)

def test_dies():
    os.kill(os.getpid(), 9)

def test_after():
    pass
"""


def names_what_is_lost(run):
    """The killed test and those after the last save are named; what was saved before is in the report."""
    lines = [line.strip() for line in run.output.splitlines()]
    at = next((i for i, line in enumerate(lines) if "coverage lacks what 2 tests reached" in line), None)
    if at is None or sorted(lines[at + 1 : at + 3]) != ["test_killed.py::test_dies", "test_killed.py::test_not_saved"]:
        return "the two tests are not named"
    return None if 42 in {line for _, line in measured(run.directory)} else "lib/calc.py:42 was saved and is not measured"


def benchmarks_are_saved(run):
    """--benchmark-json: what plain pytest saves of each benchmark, but for the numbers."""
    def saved(directory):
        found = json.loads((directory / "out.json").read_text())["benchmarks"]
        return {b["name"]: (b["params"], b["extra_info"], b["options"], sorted(b["stats"])) for b in found}

    ours, theirs = saved(run.directory), saved(run.directory.parent / "plain")
    lacking = has("-- benchmark: 6 tests --", r"^test_fib\[8\] ")(run)
    return lacking if lacking or (theirs and ours == theirs) else f"saved {ours}, plain pytest {theirs}"


def same_scenarios(run):
    """--cucumberjson: scenarios, steps and their results."""
    def scenarios(directory):
        return sorted(
            (element["name"], [(step["name"], step["result"]["status"]) for step in element["steps"]])
            for feature in json.loads((directory / "out.json").read_text())
            for element in feature["elements"]
        )

    ours, theirs = scenarios(run.directory), scenarios(run.directory.parent / "plain")
    return None if theirs and ours == theirs else f"{ours}, plain pytest {theirs}"


MISSING_LINES = (r"^lib/", r"^TOTAL")
CASES = [
    plugin("cov", "pytest_cov", quick=True, args=("--cov=lib", "--cov-report=term-missing"), lines=MISSING_LINES),
    plugin(
        "cov-contexts", "pytest_cov", "python3-pytest-cov", "cov",
        args=("--cov=lib", "--cov-context=test", "test_lines.py"), expect=same_contexts, modes=("plain",),
    ),
    plugin(
        "cov-cold", "pytest_cov", "python3-pytest-cov", "cov",
        args=("--cov=lib", "--cov-report=term-missing"), lines=MISSING_LINES, shunt_args=("--fork-server=off",),
        modes=("plain",), expect=one_header,
    ),
    plugin(
        "cov-killed", "pytest_cov", "python3-pytest-cov", "cov", files={"test_killed.py": KILLED}, like="", n=1,
        args=("--cov=lib", "test_killed.py"), expect=names_what_is_lost, incidents=True, modes=(),
    ),
    plugin(
        "cov-killed-cold", "pytest_cov", "python3-pytest-cov", "cov", files={"test_killed.py": KILLED}, like="", n=1,
        args=("--cov=lib", "test_killed.py"), expect=names_what_is_lost, incidents=True, modes=(),
        shunt_args=("--fork-server=off",),
    ),
    plugin(
        "coverage-run", "coverage", "python3-coverage", "cov",
        before=("-m", "coverage", "run"), args=("test_lines.py",), expect=same_lines, modes=("plain",),
    ),
    plugin(
        "coverage-run-cold", "coverage", "python3-coverage", "cov",
        before=("-m", "coverage", "run"), args=("test_lines.py",), expect=same_lines, modes=("plain",),
        shunt_args=("--fork-server=off",),
    ),
    plugin("asyncio", "pytest_asyncio", quick=True),
    plugin("timeout", "pytest_timeout", quick=True),
    plugin("mock", "pytest_mock", quick=True),
    plugin(
        "benchmark", "pytest_benchmark", modes=("plain",),
        args=("--benchmark-json=out.json",), expect=benchmarks_are_saved,
    ),
    plugin("benchmark-n", "pytest_benchmark", "python3-pytest-benchmark", "benchmark", args=("-n", "2"), like="xdist",
           modes=("xdist",), expect=has("Benchmarks are not measured")),
    plugin("django", ["pytest_django", "django"], "python3-pytest-django python3-django"),
    plugin("flask", ["pytest_flask", "flask"]),
    plugin("httpbin", "pytest_httpbin"),
    plugin("httpserver", "pytest_httpserver"),
    plugin("xprocess", "xprocess"),
    plugin("rerunfailures", "pytest_rerunfailures", like="xdist"),  # Debian's needs xdist loaded
    plugin("random-order", "random_order"),
    plugin("random-order-cold", "random_order", "python3-pytest-random-order", "random-order",
           shunt_args=("--fork-server=off",), modes=("plain",)),
    plugin("rerunfailures-cold", "pytest_rerunfailures", "python3-pytest-rerunfailures", "rerunfailures",
           like="xdist", shunt_args=("--fork-server=off",), modes=("xdist",)),
    plugin("repeat", "pytest_repeat"),
    plugin("subtests", "pytest_subtests"),
    plugin("sugar", "pytest_sugar"),
    plugin("instafail", "pytest_instafail", lines=("^E  ", "^_+ .* _+$")),
    plugin("order", "pytest_order"),
    plugin("dependency", "pytest_dependency"),
    plugin("forked", "pytest_forked"),
    plugin("tornado", ["pytest_tornado", "tornado"]),
    plugin("twisted", ["pytest_twisted", "twisted"], expect=has("Twisted's reactor was made while collecting")),
    plugin("xvfb", ["pytest_xvfb", "/usr/bin/Xvfb"]),
    plugin("datadir", "pytest_datadir"),
    plugin("regressions", "pytest_regressions"),
    plugin("bdd", "pytest_bdd", args=("--cucumberjson=out.json",), expect=same_scenarios),
    plugin("aiohttp", ["pytest_aiohttp", "aiohttp"]),
    plugin("hypothesis", "hypothesis", package="python3-hypothesis", args=("--hypothesis-show-statistics",),
           lines=(r"^test_hypothesis.py::.*:$",), quick=True),
    plugin("trio", "trio", package="python3-trio"),
    plugin("dask", ["dask", "toolz"], package="python3-dask"),
    plugin("gevent", "gevent", package="python3-gevent", expect=forked, incidents=True),
]
