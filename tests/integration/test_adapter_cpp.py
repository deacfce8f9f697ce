# SPDX-License-Identifier: MIT
"""GoogleTest, Catch2 and doctest: programs of the real frameworks, listed and run as they themselves do."""
import json
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from adapters import Project, ended
from conftest import SHUNT, clean_environment

SAMPLES = Path("/usr/src/googletest/googletest/samples")  # GoogleTest's own; 9 and 10 have a main() each

GTEST = """
#include <gtest/gtest.h>
#include <csignal>
#include <cstdlib>
TEST(Calc, adds) { EXPECT_EQ(1 + 1, 2); }
TEST(Calc, fails) { printf("said\\n"); EXPECT_EQ(1 + 1, 3) << "more"; }
TEST(Calc, skips) { GTEST_SKIP() << "not here"; }
TEST(Calc, DISABLED_off) { FAIL(); }
TEST(Calc, throws) { throw std::runtime_error("boom"); }
TEST(CalcDeathTest, dies) { EXPECT_DEATH(abort(), ""); }
class P : public testing::TestWithParam<int> {};
TEST_P(P, small) { EXPECT_LT(GetParam(), 3); }
INSTANTIATE_TEST_SUITE_P(All, P, testing::Values(1, 2, 5));
template <class T> class Ty : public testing::Test {};
typedef testing::Types<char, std::vector<int>> Ts;
TYPED_TEST_SUITE(Ty, Ts);
TYPED_TEST(Ty, sized) { EXPECT_GT(sizeof(TypeParam), 3u); }
#ifdef CRASHES
TEST(Bad, segv) { raise(SIGSEGV); }
TEST(Bad, exits) { exit(0); }
#endif
"""

CATCH = """
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
TEST_CASE("skips") { SKIP("not here"); }
#else
#ifndef WITH_MAIN
#define CATCH_CONFIG_MAIN
#endif
#include <catch2/catch.hpp>
#endif
#include <csignal>
TEST_CASE("adds", "[fast]") { REQUIRE(1 + 1 == 2); }
TEST_CASE("fails, with [brackets] and \\"quotes\\"", "[fast][odd]") {
    SECTION("one") { CHECK(1 + 1 == 2); }
    SECTION("two") { SECTION("inner") { REQUIRE(1 + 1 == 3); } }
}
TEST_CASE("hidden", "[.]") { REQUIRE(false); }
TEST_CASE("should", "[!shouldfail]") { REQUIRE(false); }
TEST_CASE("[weird] name", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("~tilde", "[odd]") { REQUIRE(1 == 2); }
TEST_CASE("back\\\\slash", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("operator*", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("operator*=", "[odd]") { REQUIRE(1 == 2); }
TEST_CASE("# hash", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("exclude:x", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("-dash", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("[ a, b", "[odd]") { REQUIRE(1 == 1); }
TEST_CASE("throws") { throw std::runtime_error("boom"); }
TEMPLATE_TEST_CASE("tmpl", "[t]", int, (std::pair<int, int>)) { REQUIRE(sizeof(TestType) > 4); }
TEST_CASE("segv", "[.bad]") { raise(SIGSEGV); }
TEST_CASE("exits", "[.bad]") { exit(0); }
"""

DOCTEST = """
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <csignal>
#include <stdexcept>
TEST_CASE("adds") { CHECK(1 + 1 == 2); }
TEST_CASE("fails, with comma and \\"quotes\\"") {
    SUBCASE("one") { CHECK(1 + 1 == 2); }
    SUBCASE("two") { SUBCASE("inner") { REQUIRE(1 + 1 == 3); } }
}
TEST_CASE("off" * doctest::skip()) { CHECK(false); }
TEST_CASE("should" * doctest::should_fail()) { CHECK(false); }
TEST_CASE("star*") { CHECK(1 == 1); }
TEST_CASE("star*2") { CHECK(1 == 2); }
TEST_CASE("back\\\\slash") { CHECK(1 == 1); }
TEST_CASE("Case") { CHECK(1 == 1); }
TEST_CASE("case") { CHECK(1 == 2); }
TEST_CASE("throws") { throw std::runtime_error("boom"); }
TEST_SUITE("s") { TEST_CASE("adds") { CHECK(1 == 2); } TEST_CASE("<&>'") {} }
TEST_SUITE("bad") {
    TEST_CASE("segv" * doctest::skip()) { raise(SIGSEGV); }
    TEST_CASE("exits" * doctest::skip()) { exit(0); }
}
TEST_CASE_TEMPLATE("tmpl", T, int, long) { CHECK(sizeof(T) > 4); }
"""


def compile_program(path, source, *words):
    path.with_suffix(".cc").write_text(source)
    command = ["g++", "-std=c++17", "-O0", "-o", path, path.with_suffix(".cc"), *words]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Compiled once, each when it is asked for."""
    directory = tmp_path_factory.mktemp("programs")
    version = subprocess.run(
        ["g++", "-E", "-P", "-xc++", "-"],
        input="#if __has_include(<catch2/catch_all.hpp>)\nthree\n#endif\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    catch_libraries = ["-lCatch2Main", "-lCatch2"] if "three" in version else []
    if not catch_libraries and Path("/usr/lib/libCatch2WithMain.a").exists():  # Debian's: spares most of compiling
        catch_libraries = ["-DWITH_MAIN", "-lCatch2WithMain"]
    gtest = ["-lgtest", "-lgtest_main", "-pthread"]
    recipes = {
        "gtest": (GTEST, gtest),
        "gtest-crashes": (GTEST, ["-DCRASHES", *gtest]),
        "catch2": (CATCH, catch_libraries),
        "doctest": (DOCTEST, []),
        "samples": ("", ["-I/usr/src/googletest/googletest", *map(str, sorted(SAMPLES.glob("sample[1-8]*.cc"))), *gtest]),
    }

    def get(name):
        path = directory / name
        return str(path if path.exists() else compile_program(path, recipes[name][0], *recipes[name][1]))

    return get


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    return Project(tmp_path / "p")


def plain(project, *words):
    return subprocess.run(words, cwd=project.path, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60)


def by_gtest(project, program, *words):
    plain(project, program, *words, "--gtest_output=json:plain.json")
    found = {}
    for suite in json.loads((project.path / "plain.json").read_text())["testsuites"]:
        for test in suite["testsuite"]:
            outcome = "failed" if test.get("failures") else "skipped" if test["result"] in ("SKIPPED", "SUPPRESSED") else "passed"
            found[f"{suite['name']}.{test['name']}"] = outcome
    return found


def by_catch2(project, program, *words):
    found = {}
    for case in ET.fromstring(plain(project, program, *words, "-r", "xml").stdout).iter("TestCase"):
        result = case.find("OverallResult")
        found[case.get("name")] = "passed" if result.get("success") == "true" else "failed"
        if result.get("skips", "0") != "0":
            found[case.get("name")] = "skipped"
    return found


def by_doctest(project, program, *words):
    found = {}
    for suite in ET.fromstring(plain(project, program, *words, "-r=xml").stdout).iter("TestSuite"):
        for case in suite.iter("TestCase"):
            if case.get("skipped") == "true":  # by a filter as well as by a decorator
                continue
            name = f"{suite.get('name')}/{case.get('name')}" if suite.get("name") else case.get("name")
            result = case.find("OverallResultsAsserts")
            found[name] = "passed" if result.get("test_case_success") == "true" else "failed"
    return found


@pytest.mark.parametrize(
    "framework, name, words",
    [
        ("gtest", "gtest", []),
        ("gtest", "gtest", ["--gtest_filter=Calc.*:-*fails", "--gtest_also_run_disabled_tests"]),
        ("gtest", "samples", []),
        ("catch2", "catch2", []),
        ("catch2", "catch2", ["[odd]~[fast]"]),
        ("catch2", "catch2", ["hidden,adds"]),
        ("doctest", "doctest", []),
        ("doctest", "doctest", ["-tc=a*,*2", "-tse=s"]),
    ],
)
def test_outcomes_are_the_frameworks_own(project, programs, framework, name, words):
    program = programs(name)
    expected = {"gtest": by_gtest, "catch2": by_catch2, "doctest": by_doctest}[framework](project, program, *words)
    assert expected
    for _ in range(3):
        result = project.run("-n", 2, command=(program, *words))
        # doctest does not say which ones a decorator skips
        found = {k: v for k, v in result.outcomes.items() if k in expected or framework != "doctest" or v != "skipped"}
        assert found == expected, result
        assert result.status == ("failed" in expected.values()), result


def test_gtest_says_why(project, programs):
    result = project.run("-n", 1, command=(programs("gtest-crashes"),))
    assert "gtest-crashes.cc:6: Expected equality of these values: 1 + 1 Which is: 2 3 more" in result.stdout, result
    assert "said\n" in result.stdout
    assert ended(result, "Calc.throws")["message"].endswith('C++ exception with description "boom" thrown in the test body.')
    assert ended(result, "Calc.skips")["message"].endswith("gtest-crashes.cc:7: not here")
    assert ended(result, "Bad.segv")["message"].startswith("died of SIGSEGV")
    assert ended(result, "Bad.exits")["outcome"] == "failed" and "called exit()" in ended(result, "Bad.exits")["message"]
    assert ended(result, "Calc.DISABLED_off")["outcome"] == "skipped"


@pytest.mark.parametrize("framework, words", [("catch2", ["[.bad],fails*"]), ("doctest", ["-ns", "-tc=segv,exits,fails*"])])
def test_catch2_and_doctest_say_why(project, programs, framework, words):
    result = project.run("-n", 1, command=(programs(framework), *words))
    tests = {e["id"].split("/")[-1].split(",")[0]: e for e in result.of("test-end")}
    assert set(tests) == {"segv", "exits", "fails"} and {e["outcome"] for e in tests.values()} == {"failed"}, result
    assert "REQUIRE( 1 + 1 == 3 )" in tests["fails"]["message"] and tests["fails"]["message"].endswith("[in two, inner]")
    assert tests["segv"]["message"].startswith("died of SIGSEGV: ") and "SIGSEGV - Segmentation violation" in tests["segv"]["message"]
    assert "called exit()" in tests["exits"]["message"]


def test_shards_of_gtest_are_a_partition(project, programs):
    parts = []
    for index in "012":
        shard = {"GTEST_TOTAL_SHARDS": "3", "GTEST_SHARD_INDEX": index}
        result = project.run("-n", 2, command=(programs("gtest"),), env=shard)
        parts.append({k for k, v in result.outcomes.items() if "DISABLED" not in k})
        ran = subprocess.run(
            [programs("gtest")], cwd=project.path, env=clean_environment(**shard), capture_output=True, text=True, check=False
        ).stdout
        assert parts[-1] == {line[13:].strip() for line in ran.splitlines() if line.startswith("[ RUN ")}, ran
    assert not parts[0] & parts[1] and not parts[1] & parts[2] and len(set.union(*parts)) == 10


def test_a_batch_is_a_suite(project, programs):
    result = project.run("-n", 2, "--batch", command=(programs("gtest-crashes"),))
    expected = {"Calc.*": "failed", "CalcDeathTest.*": "passed", "All/P.*": "failed", "Ty/0.*": "failed", "Ty/1.*": "passed"}
    assert result.outcomes == {**expected, "Bad.*": "failed", "Calc.DISABLED_off": "skipped"}, result
    assert ended(result, "Calc.*")["message"].startswith("Calc.fails: "), result
    assert ended(result, "Bad.*")["message"].startswith("died of SIGSEGV") and "in Bad.segv" in ended(result, "Bad.*")["message"]
    result = project.run("--batch", command=(programs("catch2"),))
    assert result.status == 4 and "--batch: tests of catch2 have no suites" in result.stderr, result
    result = project.run("--batch", command=("pytest",))
    assert result.status == 4 and "--batch: nobody here" in result.stderr, result


def test_what_no_longer_means_anything_is_said(project, programs):
    result = project.run("-n", 1, command=(programs("gtest"), "--gtest_filter=Calc.adds", "--gtest_output=xml:x.xml", "--gtest_shuffle"))
    assert result.status == 0 and "--gtest_output, --gtest_shuffle: left out" in result.stderr, result
    assert not (project.path / "x.xml").exists()
    result = project.run("-n", 1, command=(programs("gtest"), "--gtest_repeat=-1"))
    assert result.status == 4 and "never ends" in result.stderr, result
    result = project.run("-n", 1, command=(programs("catch2"), "adds", "-r", "junit"))
    assert result.status == 0 and "-r: left out" in result.stderr, result


def test_an_end_at_the_first_failure(project, programs):
    for name, word in (("gtest", "--gtest_fail_fast"), ("catch2", "-a"), ("doctest", "-aa=1")):
        result = project.run("-n", 1, command=(programs(name), word))
        outcomes = list(result.outcomes.values())
        assert outcomes.count("failed") == 1 and "not-run" in outcomes, result


def test_a_program_of_another_framework(project, programs):
    result = project.run("--adapter=gtest", command=(programs("doctest"),))
    assert result.status == 4 and "tests" in result.stderr, result
    for program in ("/bin/true", SHUNT):  # which knows the marks of all three, and is of none
        status, document, _ = project.list(command=(program,))
        assert status == 0 and document["adapter"] == "command", document


def test_a_wrapper_is_told_by_name(project, programs):
    for name, words in (("catch2", ["adds"]), ("gtest", ["--gtest_filter=Calc.adds"]), ("doctest", ["-tc=adds", "-tse=s"])):
        command = ("env", "-u", "X", programs(name), *words)
        result = project.run("-n", 2, f"--adapter={name}", command=command)
        assert list(result.outcomes.items()) in ([("adds", "passed")], [("Calc.adds", "passed")]), result
