# SPDX-License-Identifier: MIT
"""--shard: every test in exactly one part; and `shunt merge`, which says what is missing."""
import json
import subprocess
import xml.etree.ElementTree as ET

import pytest
from conftest import SHUNT

TESTS = """
import os, pathlib, pytest
@pytest.mark.parametrize("i", range(20))
def test_many(i): pass
def test_bad(): assert "GOOD" in os.environ, "not good"
@pytest.mark.xdist_group("g")
@pytest.mark.parametrize("i", range(5))
def test_group(i): pass
"""
ALL = 26


@pytest.fixture
def project(suite):
    suite.write(test_a=TESTS)
    return suite


def shards(suite, n, *options, env=None):
    results = []
    for i in range(1, n + 1):
        results.append(suite.run("-n", 2, "--shard", f"{i}/{n}", *options, env=env))
        (suite.path / f"events-{suite.count}.jsonl").rename(suite.path / f"shard-{i}.jsonl")
    return results


def merge(suite, *argv):
    return subprocess.run([SHUNT, "merge", *map(str, argv)], cwd=suite.path, capture_output=True, text=True)


def files(suite):
    return sorted(suite.path.glob("shard-*.jsonl"))


@pytest.mark.parametrize("history", [False, True])
def test_each_test_is_in_one_part(project, history):
    if history:
        project.history = True
        project.run("-n", 2, env={"GOOD": "1"})
        project.history = False  # read it, and let no part change it for the next
        results = []
        for i in (1, 2, 3):
            (project.path / "copy.db").write_bytes((project.path / ".shunt" / "history.db").read_bytes())
            project.history = True
            results.append(project.run("-n", 2, "--history", "copy.db", "--shard", f"{i}/3", env={"GOOD": "1"}))
    else:
        results = shards(project, 3, env={"GOOD": "1"})
    ran = [name for result in results for name in result.outcomes]
    assert len(ran) == ALL and len(set(ran)) == ALL, results
    assert all(result.status == 0 for result in results)
    where = {i for i, result in enumerate(results) for name in result.outcomes if "group" in name}
    assert len(where) == 1, "the group is torn"
    word = "balanced by history" if history else "by their ids"
    assert all(f"(shard {i} of 3, {word}" in result.stderr for i, result in enumerate(results, 1)), results
    if history:
        assert {e["timed"] for result in results for e in result.of("shard")} == {True}
        assert len({e["plan"] for result in results for e in result.of("shard")}) == 1


def test_merge_makes_one_report_of_them(project):
    shards(project, 3)
    done = merge(project, "--junit", "all.xml", *files(project))
    assert done.returncode == 1, done
    assert f"{ALL} tests: {ALL - 1} passed, 1 failed" in done.stdout and "test_a.py::test_bad" in done.stdout
    cases = list(ET.parse(project.path / "all.xml").getroot().iter("testcase"))
    assert len(cases) == ALL
    bad = next(case for case in cases if case.get("name") == "test_bad")
    assert bad.get("classname") == "test_a" and "not good" in bad.find("failure").text
    shards(project, 3, env={"GOOD": "1"})
    assert merge(project, *files(project)).returncode == 0


def test_merge_names_what_no_part_has_run(project):
    results = shards(project, 3, env={"GOOD": "1"})
    lost = len(results[1].outcomes)
    kept = [project.path / "shard-1.jsonl", project.path / "shard-3.jsonl"]
    done = merge(project, "--junit", "all.xml", *kept)
    assert done.returncode == 1, done
    assert "missing here: shard 2 of 3" in done.stdout
    assert f"{lost} tests: shard 2 of 3 is missing" in done.stdout
    cases = {case.get("name"): case for case in ET.parse(project.path / "all.xml").getroot().iter("testcase")}
    assert sum(case.find("skipped[@type='not-run']") is not None for case in cases.values()) == lost


def test_a_part_that_died_in_the_middle(project):
    shards(project, 2, env={"GOOD": "1"})
    file = project.path / "shard-2.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    cut = next(i for i, line in enumerate(lines) if '"test-end"' in line) + 1
    file.write_text("".join(lines[:cut]) + lines[cut][:20])
    done = merge(project, *files(project))
    assert done.returncode == 1
    assert "1 run did not end" in done.stdout and "shard 2 of 2 did not run it" in done.stdout


def test_parts_of_different_histories_are_noticed(project):
    shards(project, 2, env={"GOOD": "1"})
    one = project.path / "shard-1.jsonl"
    one.write_text(one.read_text().replace('"plan":"', '"plan":"ffffff', 1))
    assert merge(project, *files(project)).returncode == 4  # no plan is so long
    lines = [json.loads(line) for line in (project.path / "shard-2.jsonl").read_text().splitlines()]
    for event in lines:
        if event["event"] == "shard":
            event["plan"] = "0" * 16
    (project.path / "shard-2.jsonl").write_text("".join(json.dumps(event) + "\n" for event in lines))
    one.write_text(one.read_text().replace('"plan":"ffffff', '"plan":"', 1))
    assert "not cut from the same history" in merge(project, *files(project)).stdout


def test_the_worse_of_two_results_counts(project):
    project.run("-n", 2)
    project.run("-n", 2, env={"GOOD": "1"})
    done = merge(project, "events-1.jsonl", "events-2.jsonl")
    assert done.returncode == 1 and f"{ALL} results are in more than one file" in done.stdout, done
    assert f"{ALL - 1} passed, 1 failed" in done.stdout


@pytest.mark.parametrize("text, what", [
    ("", "is empty"), ("hello\n", ":1: is no JSON"), ("[]\n", ":1: is no JSON"), ('{"a":1}\n', ":1: is no event"),
    ('{"v":1,"event":"test-end","id":"x","outcome":"great"}\n', ":1: test-end: expected"),
    ('{"v":1,"event":"shard","shard":3,"shards":2,"plan":""}\n', ":1: shard: expected"),
])  # fmt: skip
def test_files_of_anybody(suite, text, what):
    (suite.path / "x").write_text(text)
    done = merge(suite, "x")
    assert done.returncode == 4 and done.stderr.startswith("shunt: x") and what in done.stderr, done


def test_environment_and_wrong_values(project):
    result = project.run("-n", 2, env={"TEST_SHARD_INDEX": "1", "TEST_TOTAL_SHARDS": "2", "TEST_SHARD_STATUS_FILE": str(project.path / "s")})
    assert "(shard 2 of 2, " in result.stderr and (project.path / "s").exists()
    assert "(shard 1 of 3, " in project.run("--shard", "1/3", env={"TEST_SHARD_INDEX": "1", "TEST_TOTAL_SHARDS": "2"}).stderr
    result = project.run(env={"TEST_SHARD_INDEX": "2", "TEST_TOTAL_SHARDS": "2"})
    assert result.status == 4 and "TEST_SHARD_INDEX=2" in result.stderr
    for wrong in ("0/3", "4/3", "3", "a/b", "1/1001"):
        assert project.run("--shard", wrong).status == 4


def test_filters_come_first(project):
    results = shards(project, 2, "-E", "test(many)")
    assert sum(len(result.outcomes) for result in results) == 20
    assert "6 deselected by -E" in results[0].stderr
    assert sum(int(r.stdout.split(" deselected")[0].split()[-1]) + len(r.outcomes) for r in results) == 2 * ALL
