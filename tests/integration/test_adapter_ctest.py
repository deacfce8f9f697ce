# SPDX-License-Identifier: MIT
"""CTest's tests, from real projects: lists, lanes, locks, fixtures, and results as ctest itself has them."""
import subprocess

import pytest
from adapters import Project, ended
from conftest import clean_environment

HEAD = "cmake_minimum_required(VERSION 3.14)\nproject(p NONE)\nenable_testing()\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    return Project(tmp_path / "p")


def configure(project, text):
    project.write("CMakeLists.txt", HEAD + text)
    subprocess.run(["cmake", "-B", "build"], cwd=project.path, check=True, capture_output=True, env=clean_environment())
    return project


def one(name, script, **properties):
    text = f'add_test(NAME {name} COMMAND sh -c "{script}")\n'
    for key, value in properties.items():
        text += f'set_tests_properties({name} PROPERTIES {key} "{value}")\n'
    return text


CTEST = ("ctest", "--test-dir", "build")

RESULTS = (
    one("passes", "true")
    + one("fails", "echo why; exit 3")
    + one("skips", "exit 9", SKIP_RETURN_CODE=9)
    + one("inverted", "exit 1", WILL_FAIL="TRUE")
    + one("says_so", "echo all fine; exit 1", PASS_REGULAR_EXPRESSION="all f.ne")
    + one("silent", "true", PASS_REGULAR_EXPRESSION="never")
    + one("complains", "echo an error", FAIL_REGULAR_EXPRESSION="[Ee]rror")
    + one("not_here", "echo not here; exit 1", SKIP_REGULAR_EXPRESSION="not here")
    + r"""add_test(NAME says_json COMMAND echo [=[{"n": 12}]=])
set_tests_properties(says_json PROPERTIES PASS_REGULAR_EXPRESSION [=[^{"n": [0-9]+}]=])
add_test(NAME braces COMMAND echo "a{2}")
set_tests_properties(braces PROPERTIES PASS_REGULAR_EXPRESSION "^a{2}")
add_test(NAME letters COMMAND echo "ww[]{x}")
set_tests_properties(letters PROPERTIES PASS_REGULAR_EXPRESSION [=[^\w+[[][]}]{\x}]=])
add_test(NAME no_digits COMMAND echo 123)
set_tests_properties(no_digits PROPERTIES PASS_REGULAR_EXPRESSION [=[^\w+]=])
"""
    + one("off", "exit 1", DISABLED="TRUE")
    + one("variables", "test x$A$B = x12", ENVIRONMENT="A=1;B=2")
    + "add_test(NAME elsewhere COMMAND sh -c [[test $(basename $PWD) = sub]] WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/sub)\n"
    + "add_test(NAME unbuilt COMMAND no-such-program-here)\n"
)


def test_results_are_those_of_ctest(project):
    project.write("sub/x", "")
    configure(project, RESULTS)
    result = project.run("-n", 2, command=CTEST)
    assert result.status == 1, result
    assert result.outcomes == {
        "passes": "passed",
        "fails": "failed",
        "skips": "skipped",
        "inverted": "passed",
        "says_so": "passed",
        "silent": "failed",
        "complains": "failed",
        "not_here": "skipped",
        "says_json": "passed",
        "braces": "passed",
        "letters": "passed",
        "no_digits": "failed",
        "off": "skipped",
        "variables": "passed",
        "elsewhere": "passed",
        "unbuilt": "not-run",
    }
    plain = subprocess.run(CTEST, cwd=project.path, capture_output=True, text=True, env=clean_environment(), check=False)
    words = {"Passed": "passed", "Skipped": "skipped", "***Failed": "failed", "***Not Run": "not-run", "***Skipped": "skipped"}
    for line in plain.stdout.splitlines():
        if "Test " not in line or "..." not in line:
            continue
        name = line.split(":")[1].split()[0]
        found = [w for w in words if w in line] or (["Skipped"] if "(Disabled)" in line else [])
        assert "Disabled" in line or words[found[-1]] == result.outcomes[name], line


def test_the_commands_own_selection_counts(project):
    configure(project, one("one", "true") + one("two", "true") + one("three", "true"))
    assert sorted(project.run(command=(*CTEST, "-R", "t")).outcomes) == ["three", "two"]
    status, document, _ = project.list(command=(*CTEST, "-E", "t"))
    assert status == 0 and [t["id"] for t in document["tests"]] == ["one"]
    assert project.list(command=(*CTEST, "-j", "3"))[1]["workers"] == 3
    assert project.list("-n", "2", command=(*CTEST, "-j", "3"))[1]["workers"] == 2
    result = project.run(command=(*CTEST, "-R", "nothing"))
    assert result.status == 5 and "ctest lists no tests" in result.stderr, result


def test_labels_are_markers(project):
    """LABELS were not read: a filter or rule that asked for one matched nothing, without a word."""
    configure(project, one("a", "true", LABELS="slow;net") + one("b", "true", LABELS="net") + one("c", "true"))
    assert sorted(project.run("-E", "label(net)", command=CTEST).outcomes) == ["a", "b"]
    assert sorted(project.run("-E", "not marker(slow)", command=CTEST).outcomes) == ["b", "c"]
    project.write("shunt.yaml", "rules:\n  - match: label(slow)\n    lane: serial\n")
    _, document, _ = project.list(command=CTEST)
    assert {t["id"]: t["lane"] for t in document["tests"]} == {"a": "serial", "b": "parallel", "c": "parallel"}


def test_locks_and_serial_lane(project):
    body = "mkdir lock || exit 9; sleep 0.05; rmdir lock"
    text = "".join(one(f"l{i}", body, RESOURCE_LOCK="db") for i in range(4))
    text += "".join(one(f"p{i}", f"touch r{i}; sleep 0.1; rm r{i}") for i in range(4))
    configure(project, text + one("alone", "! ls r? 2>/dev/null", RUN_SERIAL="TRUE"))
    status, document, _ = project.list(command=CTEST)
    tests = {t["id"]: t for t in document["tests"]}
    assert tests["alone"]["lane"] == "serial" and tests["alone"]["why"] == "RUN_SERIAL" and tests["l0"]["locks"] == ["db"]
    result = project.run("-n", 3, command=CTEST)
    assert result.status == 0, result


@pytest.mark.parametrize("setup, outcome", [("touch ready", "passed"), ("exit 1", "not-run")])
def test_fixtures(project, setup, outcome):
    text = one("cleanup", "rm -f ready", FIXTURES_CLEANUP="f")
    text += one("uses", "test -e ready", FIXTURES_REQUIRED="f") + one("also_uses", "test -e ready", FIXTURES_REQUIRED="f")
    text += one("setup", setup, FIXTURES_SETUP="f") + "".join(one(f"other{i}", "true") for i in range(6))
    result = configure(project, text).run("-n", 3, command=CTEST)
    assert result.outcomes["uses"] == result.outcomes["also_uses"] == outcome, result
    assert result.outcomes["cleanup"] == "passed" and result.status == (0 if outcome == "passed" else 1)
    if outcome == "not-run":
        assert ended(result, "uses")["message"] == "it needs setup, which did not pass"
        assert "2 tests: it needs setup, which did not pass\n                uses, also_uses\n" in result.stderr, result
    order = [e["id"] for e in result.of("test-end")]
    assert order.index("setup") < order.index("uses") < order.index("cleanup")


def test_depends_is_an_order(project):
    text = one("z", "test -e made", DEPENDS="a_last") + one("a_last", "sleep 0.1; touch made")
    assert configure(project, text).run("-n", 2, command=CTEST).status == 0


def test_a_timeout_of_its_own(project):
    result = configure(project, one("slow", "sleep 60", TIMEOUT=0.4)).run("-n", 1, command=CTEST)
    assert result.outcomes == {"slow": "killed"} and {i["verdict"] for i in result.incidents} == {"timeout"}, result


def test_the_commands_timeout_counts_for_tests_without_one(project):
    """--timeout was dropped: what ctest kills passed."""
    configure(project, one("hangs", "sleep 5") + one("has", "sleep 1", TIMEOUT=20))
    result = project.run("-n", 2, command=(*CTEST, "--timeout", "0.4"))
    assert result.outcomes == {"hangs": "killed", "has": "passed"} and {i["verdict"] for i in result.incidents} == {"timeout"}, result


@pytest.mark.parametrize("skip", [{"SKIP_RETURN_CODE": 1}, {"DISABLED": "TRUE"}])
def test_a_setup_that_is_skipped_lets_others_run(project, skip):
    text = one("setup", "exit 1", FIXTURES_SETUP="f", **skip) + one("uses", "true", FIXTURES_REQUIRED="f")
    result = configure(project, text).run(command=CTEST)
    assert result.outcomes == {"setup": "skipped", "uses": "passed"} and result.status == 0, result
    plain = subprocess.run(CTEST, cwd=project.path, capture_output=True, env=clean_environment(), check=False)
    assert plain.returncode == 0


def test_a_filter_keeps_setup_and_cleanup(project):
    """The cleanup was deselected, and left behind what the setup had made."""
    text = one("up", "touch up", FIXTURES_SETUP="f") + one("down", "rm up", FIXTURES_CLEANUP="f")
    text += one("uses", "test -e up", FIXTURES_REQUIRED="f") + one("other", "true", FIXTURES_REQUIRED="f")
    text += one("elsewhere", "true", FIXTURES_CLEANUP="g")
    result = configure(project, text).run("-E", "test(=uses)", command=CTEST)
    assert [e["id"] for e in result.of("test-end")] == ["up", "uses", "down"] and result.status == 0, result
    assert sorted(project.run("-E", "test(=down)", command=(*CTEST, "-E", "zzz")).outcomes) == ["down"]


def test_what_is_left_out_of_the_command_is_said(project):
    configure(project, one("a", "true", TIMEOUT_AFTER_MATCH="1;x"))
    result = project.run(command=(*CTEST, "--rerun-failed", "--schedule-random", "--repeat", "until-pass:2"))
    for words in ("-E 'last(failed)'", "--order=random", "--retries", "TIMEOUT_AFTER_MATCH"):
        assert words in result.stderr, result


def test_behind_a_wrapper_the_adapter_is_named(project):
    configure(project, one("a", "true") + one("b", "true"))
    result = project.run(command=("env", "X=1", *CTEST))
    assert len(result.outcomes) == 1 and "--adapter=ctest may take it apart" in result.stderr, result
    assert sorted(project.run("--adapter=ctest", command=("env", "X=1", *CTEST)).outcomes) == ["a", "b"]
    assert "--adapter=command gives it those limits" in project.run(command=("sh", "-c", "true", "-")).stderr


def test_no_build_directory(project):
    result = project.run(command=CTEST)
    assert result.status == 4 and "ctest could not list its tests: exit status 1" in result.stderr, result
    assert result.stdout == ""


def test_required_files(project):
    text = one("has", "true", REQUIRED_FILES="${CMAKE_SOURCE_DIR}/CMakeLists.txt") + one("lacks", "true", REQUIRED_FILES="nowhere")
    text += one("makes", "touch made", FIXTURES_SETUP="f") + one("waits", "true", FIXTURES_REQUIRED="f", REQUIRED_FILES="made")
    result = configure(project, text).run("-n", 2, "--write", ".", command=CTEST)
    assert result.outcomes == {"has": "passed", "lacks": "not-run", "makes": "passed", "waits": "passed"}, result
    assert ended(result, "lacks")["message"] == "its required file is not there: nowhere" and result.status == 1


def test_the_commands_time_limit_is_that_of_tests_without_one(project):
    configure(project, one("own", "true", TIMEOUT="7") + one("other", "true"))
    for words in (("--timeout", "3"), ("--timeout=3",)):
        _, document, _ = project.list(command=(*CTEST, *words))
        assert {t["id"]: t["timeout_ms"] for t in document["tests"]} == {"own": 7000, "other": 3000}


def test_what_costs_most_goes_first(project):
    text = "".join(one(f"t{i}", "sleep 0.1", COST=1) for i in range(6)) + one("dear", "sleep 0.1", COST=9)
    result = configure(project, text).run("-n", 2, command=CTEST)
    assert "dear" in [e["id"] for e in result.of("test-start")][:2], result
