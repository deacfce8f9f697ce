# SPDX-License-Identifier: MIT
"""Go: packages that go builds, listed and run as `go test` itself does."""
import json
import shutil
import subprocess

import pytest
from adapters import Project, ended
from conftest import clean_environment

pytestmark = pytest.mark.skipif(not shutil.which("go"), reason="go is not installed (apt-get install golang-go)")

TESTS = """
package demo

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var own = flag.String("own", "", "")

func TestMain(m *testing.M) { fmt.Println("TestMain was here"); os.Exit(m.Run()) }
func TestAdd(t *testing.T) {}
func TestWrong(t *testing.T) {
	fmt.Println("said before")
	t.Log("a log")
	t.Errorf("got %d, want 4", 3)
}
func TestSkips(t *testing.T) { t.Skip("no network") }
func TestShort(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
}
func TestSub(t *testing.T) {
	t.Run("one", func(t *testing.T) { t.Parallel() })
	t.Run("two words", func(t *testing.T) { t.Parallel(); t.Fatal("in two") })
}
func TestOwn(t *testing.T) {
	if *own != "x" || flag.Arg(0) != "word" {
		t.Skip("without its option")
	}
}
func TestDirectory(t *testing.T) {
	if _, err := os.Stat("demo_test.go"); err != nil {
		t.Fatal(err)
	}
}
func BenchmarkAdd(b *testing.B) {}
func FuzzAdd(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, n int) {})
}
func ExampleAdd() {
	fmt.Println(3)
	// Output: 4
}
"""
BAD = """
package bad

import (
	"os"
	"testing"
)

func TestPanics(t *testing.T) { var p *int; *p = 1 }
func TestExits(t *testing.T)  { os.Exit(3) }
func TestFine(t *testing.T)   {}
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("module"))
    project.write("go.mod", "module example.org/demo\n\ngo 1.18\n").write("demo.go", "package demo\n\nfunc Add() {}\n")
    project.write("demo_test.go", TESTS).write("none/none.go", "package none\n")
    project.write("sub/sub_test.go", 'package sub\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {}\n')
    return project


def go_says(project, *words):
    done = subprocess.run(
        ["go", "test", "-json", *words], cwd=project.path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    means = {"pass": "passed", "fail": "failed", "skip": "skipped"}
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = [e for e in events if e.get("Test") and "/" not in e["Test"] and e["Action"] in means]
    return sorted((f"{e['Package']}.{e['Test']}", means[e["Action"]]) for e in found), done.returncode


def shunt_says(project, *words):
    result = project.run("-n", "2", command=["go", "test", *words])
    return sorted((e["id"], e["outcome"]) for e in result.of("test-end")), result


def test_outcomes_are_those_of_go(module):
    expected, status = go_says(module, "./...")
    assert len(expected) == 10 and status == 1
    for _ in range(3):
        got, result = shunt_says(module, "./...")
        assert got == expected, result
        assert result.status == 1, result


@pytest.mark.parametrize(
    "words",
    [
        ["-run", "Add", "./..."],
        ["-run=^TestSub$/^one$"],
        ["-short", "-run", "TestS[hk]", "-count=2", "-v"],
        ["-run", "TestOwn", ".", "-own=x", "-args", "word"],
        ["-tags", "x", "-p", "1", "-parallel", "1", "-timeout", "30s", "-cover", "./sub"],
        ["./none"],
        ["-run", "nothing"],
    ],
    ids=" ".join,
)
def test_selections_mean_the_same(module, words):
    expected, status = go_says(module, *words)
    got, result = shunt_says(module, *words)
    assert got == sorted(set(expected)), result
    if expected:
        assert (result.status == 0) == (status == 0), result


def test_failures_have_their_reasons(module):
    result = module.run("-n", "2", command=["go", "test"])
    demo = "example.org/demo."
    assert ended(result, demo + "TestWrong")["message"] == "demo_test.go:18: got 3, want 4", result
    assert ended(result, demo + "TestSub")["message"].endswith("in two [in two_words]"), result
    assert ended(result, demo + "TestSkips")["message"].endswith("no network"), result
    assert ended(result, demo + "ExampleAdd")["message"] == "got: 3 want: 4", result
    assert "said before" in result.stdout + result.stderr


def test_one_that_crashes_takes_none_along(tmp_path):
    project = Project(tmp_path)
    project.write("go.mod", "module bad\n\ngo 1.18\n").write("bad_test.go", BAD)
    result = project.run(command=["go", "test"])
    assert ended(result, "bad.TestPanics")["message"].startswith("panic: runtime error: invalid memory address"), result
    assert "bad_test.go:9" in ended(result, "bad.TestPanics")["message"], result
    assert ended(result, "bad.TestExits")["message"] == "exit status 3", result
    assert ended(result, "bad.TestFine")["outcome"] == "passed", result


def test_a_build_that_fails_is_an_error(tmp_path):
    project = Project(tmp_path)
    project.write("go.mod", "module bad\n\ngo 1.18\n")
    project.write("bad_test.go", 'package bad\n\nimport "testing"\n\nfunc TestX(t *testing.T) { missing() }\n')
    result = project.run(command=["go", "test"])
    assert result.status not in (0, 1), result
    assert "go test did not build and list the tests of every package" in result.stderr, result
    assert "undefined: missing" in result.stderr, result
