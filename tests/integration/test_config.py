# SPDX-License-Identifier: MIT
"""shunt.yaml: profiles and rules in real runs, and `shunt config`."""
import json
import subprocess

import pytest
from conftest import SHUNT

TESTS = """
import time, pytest
@pytest.mark.db
@pytest.mark.parametrize("i", range(2))
def test_db(i): pass
def test_sleeps(): time.sleep(60)
@pytest.mark.parametrize("i", range(4))
def test_quick(i): pass
"""
YAML = """
profiles:
  default: {workers: 2, filter: not test(sleeps)}
  ci: {workers: 3, filter: all()}
rules:
  - match: marker(db)
    lane: serial
  - match: test(sleeps)
    timeout: 500ms
    grace: 100ms
"""


@pytest.fixture
def project(suite):
    suite.write(test_a=TESTS)
    (suite.path / "pytest.ini").write_text("[pytest]\nmarkers = db\n")
    (suite.path / "shunt.yaml").write_text(YAML)
    return suite


def config(suite, *argv):
    return subprocess.run([SHUNT, "config", *argv], cwd=suite.path, capture_output=True, text=True)


def test_the_default_profile_counts_without_a_word(project):
    result = project.run()
    assert result.status == 0 and len(result.outcomes) == 6, result
    assert result.of("run-start")[0]["workers"] == 2
    lanes = {e["id"].split("::")[-1]: e["lane"] for e in result.of("test-start")}
    assert {name for name, lane in lanes.items() if lane == "serial"} == {"test_db[0]", "test_db[1]"}


def test_a_named_profile_and_a_rule_with_a_timeout(project):
    result = project.run("--profile", "ci")
    assert result.of("run-start")[0]["workers"] == 3
    assert result.outcomes["test_a.py::test_sleeps"] == "killed", result
    assert [i["verdict"] for i in result.incidents] == ["timeout", "timeout"]  # alone as well


def test_the_command_line_counts_more(project):
    result = project.run("-n", 1, "-E", "test(quick)")
    assert result.of("run-start")[0]["workers"] == 1
    assert len(result.outcomes) == 4


def test_a_wrong_file_stops_the_run(project):
    (project.path / "shunt.yaml").write_text(YAML.replace("serial", "serail"))
    result = project.run()
    assert result.status == 4 and not result.outcomes
    assert result.stderr.startswith('shunt: shunt.yaml:7: rules[0].lane: "serail": expected parallel or serial'), result


def test_an_unknown_profile(project):
    result = project.run("--profile", "cl")
    assert result.status == 4 and 'has no profile "cl"' in result.stderr and "did you mean ci?" in result.stderr
    (project.path / "shunt.yaml").unlink()
    assert "there is no shunt.yaml here" in project.run("--profile", "ci").stderr


def test_a_file_of_rules_alone_is_a_project_file(project):
    """Its policies are looked for in it, and there are none."""
    (project.path / "shunt.yaml").write_text("rules:\n  - {match: test(quick), lane: serial}\n")
    result = project.run("-n", 2, "-E", "not test(sleeps)")
    assert result.status == 0, result
    assert result.of("suite")[0]["serial"] == 4
    check = subprocess.run([SHUNT, "policy", "list"], cwd=project.path, capture_output=True, text=True)
    assert check.returncode == 0 and "shunt.yaml is read" in check.stdout, check


def test_show_says_where_each_value_is_from(project):
    shown = config(project, "show", "--profile", "ci")
    assert shown.returncode == 0, shown
    lines = {line.split()[0]: line.split()[1:] for line in shown.stdout.splitlines() if line.startswith("  ")}
    assert lines["workers"] == ["3", "shunt.yaml:4", "(profile", "ci)"]
    assert lines["slow"] == ["60s", "default"]
    assert "shunt.yaml:8  test(sleeps): timeout 500ms, grace 100ms" in shown.stdout
    document = json.loads(config(project, "show", "--json").stdout)
    assert document["values"]["workers"] == {
        "value": "2",
        "from": {"file": "shunt.yaml", "line": 3, "profile": "default"},
    }
    assert document["rules"][0]["keys"] == {"match": "marker(db)", "lane": "serial"}
    (project.path / "shunt.yaml").write_text("rules:\n  - {match: all(), environment: {MODE: fast, GONE: null}, locks: [a, b]}\n")
    assert "all(): environment MODE=fast, GONE=null, locks a, b\n" in config(project, "show").stdout  # not "environment fast"
    assert config(project, "shwo").returncode == 4


@pytest.mark.parametrize("fork", ["auto", "off"])
def test_a_rule_sets_variables_for_its_tests_alone(suite, fork):
    suite.write(
        test_a="""
        import os
        def test_before(): assert "MODE" not in os.environ and os.environ["GONE"] == "there"
        def test_fast(): assert os.environ["MODE"] == 'say "fäst"' and "GONE" not in os.environ
        def test_later(): assert "MODE" not in os.environ and os.environ["GONE"] == "there"
        """
    )
    (suite.path / "shunt.yaml").write_text(
        "rules:\n  - match: test(fast)\n    environment: {MODE: 'say \"fäst\"', GONE: null}\n"
    )
    result = suite.run("-n", 1, "--fork-server", fork, env={"GONE": "there"})
    assert result.status == 0 and len(result.outcomes) == 3, result


def test_a_rule_sets_variables_of_programs(suite):
    (suite.path / "commands").write_text("sh -c 'test \"$MODE\" = fast'\nsh -c 'test -z \"$MODE\" # no'\ntrue\n")
    (suite.path / "shunt.yaml").write_text("rules:\n  - {match: not test(no), environment: {MODE: fast}}\n")
    argv = [SHUNT, "run", "--no-history", "-n", "2", "-E", "not test(true)", "--from", "commands"]
    done = subprocess.run(argv, cwd=suite.path, capture_output=True, text=True)
    assert done.returncode == 0, done
