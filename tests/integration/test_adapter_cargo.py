# SPDX-License-Identifier: MIT
"""Rust: packages that cargo builds, listed and run as `cargo test` itself does."""
import re
import shutil
import subprocess

import pytest
from adapters import Project, ended
from conftest import clean_environment

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="cargo is not installed (apt-get install cargo)")

LIB = """
/// ```
/// assert_eq!(demo::add(1, 2), 3);
/// ```
pub fn add(a: i32, b: i32) -> i32 { a + b }
#[cfg(test)]
mod tests {
    #[test] fn adds() { assert_eq!(super::add(1, 2), 3); }
    #[test] fn wrong() {
        println!("said before");
        assert_eq!(super::add(1, 2), 4, "one and two");
    }
    #[test] #[ignore] fn slow() { panic!("slow") }
    #[test] #[should_panic] fn panics() { panic!("as expected") }
    #[test] #[should_panic(expected = "this")] fn panics_otherwise() { panic!("that") }
    #[test] #[should_panic] fn does_not_panic() {}
    #[test] fn returns() -> Result<(), String> { Err("no".into()) }
    #[cfg(feature = "extra")] #[test] fn extra() {}
    #[cfg(feature = "bad")] #[test] fn leaves() { std::process::exit(0) }
    #[cfg(feature = "bad")] #[test] fn aborts() { std::process::abort() }
}
"""
API = """
#[test] fn adds() { assert_eq!(demo::add(2, 2), 4); }
#[test] fn is_started_as_cargo_does() {
    assert_eq!(std::env::var("CARGO_PKG_NAME").unwrap(), "demo");
    assert!(std::env::var("LD_LIBRARY_PATH").unwrap().contains("/target/debug"));
    assert!(std::path::Path::new("src/lib.rs").exists());
}
"""
MANIFEST = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'


@pytest.fixture(scope="module")
def crate(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("crate"))
    more = '[workspace]\nmembers = ["other"]\n[features]\nextra = []\nbad = []\n[[test]]\nname = "own"\nharness = false\n'
    project.write("Cargo.toml", MANIFEST.format("demo") + more).write("src/lib.rs", LIB)
    project.write("src/main.rs", "fn main() {}\n#[test] fn in_main() {}\n").write("tests/api.rs", API)
    project.write("tests/own.rs", "fn main() { assert!(!std::env::args().any(|a| a == \"--list\")); }\n")
    project.write("other/Cargo.toml", MANIFEST.format("other")).write("other/src/lib.rs", "#[test] fn adds() {}\n")
    return project


def cargo_says(project, *words):
    """Outcomes by name, of all programs and of the documentation: what `cargo test` prints."""
    done = subprocess.run(
        ["cargo", "test", "--no-fail-fast", *words], cwd=project.path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    found = re.findall(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)", done.stdout, re.M)
    means = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
    return sorted((name, means[outcome]) for name, outcome in found if not name.startswith("src/")), done.returncode


def shunt_says(project, *words):
    result = project.run("-n", "2", command=["cargo", "test", *words])
    ends = [(e["id"].partition(" ")[2], e["outcome"]) for e in result.of("test-end")]
    return sorted(e for e in ends if e[0]), result


def test_outcomes_are_those_of_cargo(crate):
    expected, status = cargo_says(crate, "--workspace")
    assert len(expected) == 11 and status == 101
    for _ in range(3):
        got, result = shunt_says(crate, "--workspace")
        assert got == expected, result
        assert result.status == 1, result
        assert ended(result, "doctests")["outcome"] == "passed", result
        assert ended(result, "demo::own")["outcome"] == "passed", result


@pytest.mark.parametrize(
    "words",
    [
        ["adds", "--workspace"],
        ["-p", "other"],
        ["--lib", "--", "--skip", "panic", "--skip", "wrong"],
        ["--lib", "--", "--ignored"],
        ["--lib", "--", "--include-ignored", "slow"],
        ["--lib", "--features", "extra", "--", "--exact", "tests::extra", "tests::adds"],
        ["-q", "--test", "api", "--", "--nocapture", "--test-threads=1", "--color", "never"],
    ],
    ids=" ".join,
)
def test_selections_mean_the_same(crate, words):
    expected, status = cargo_says(crate, *[w for w in words if w != "-q"])
    got, result = shunt_says(crate, *words)
    assert got == expected, result
    assert (result.status == 0) == (status == 0), result


def test_failures_have_their_reasons(crate):
    result = crate.run("-n", "2", command=["cargo", "test", "--lib", "--features", "bad"])
    reasons = {e["id"]: e.get("message") or "" for e in result.of("test-end")}
    assert "src/lib.rs:11:9" in reasons["demo tests::wrong"] and "one and two" in reasons["demo tests::wrong"]
    assert reasons["demo tests::returns"] == 'Error: "no"'
    assert reasons["demo tests::does_not_panic"].startswith("test did not panic as expected")
    assert reasons["demo tests::panics_otherwise"].startswith("panic did not contain expected string")
    assert reasons["demo tests::slow"] == "#[ignore]"
    assert reasons["demo tests::aborts"].startswith("died of SIGABRT")
    assert reasons["demo tests::leaves"] == "exit status 0 in the middle of the test: something called exit()"
    assert "said before" in result.stdout + result.stderr


def test_a_build_that_fails_is_an_error(crate, tmp_path):
    project = Project(tmp_path)
    project.write("Cargo.toml", MANIFEST.format("broken")).write("src/lib.rs", "fn broken( {\n")
    result = project.run(command=["cargo", "test"])
    assert result.status not in (0, 1), result
    assert "cargo test did not build and list the tests: exit status 101" in result.stderr, result
    assert "unclosed delimiter" in result.stderr, result


def test_a_runner_of_the_users_is_an_error(crate):
    host = re.search(r"^host: (\S+)", subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout, re.M)[1]
    name = f"CARGO_TARGET_{host.upper().replace('-', '_')}_RUNNER"
    result = crate.run(command=["cargo", "test", "--lib"], env={name: "env"})
    assert result.status not in (0, 1), result
    assert "cargo did not start its test programs by shunt's runner" in result.stderr, result
