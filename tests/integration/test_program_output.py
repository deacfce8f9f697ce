# SPDX-License-Identifier: MIT
"""What shunt shows of tests that are programs: their output, when, and to a reader that stands still."""
import os
import time
import xml.etree.ElementTree as ElementTree

import pytest
from adapters import Project
from terminals import Terminal


@pytest.fixture
def project(tmp_path):
    (tmp_path / "p").mkdir()
    return Project(tmp_path / "p")


def in_terminal(project, *options, columns=80):
    project.count += 1
    argv, events = project.argv(options, ())
    terminal = Terminal(argv, project.path, columns)
    terminal.events = events
    return terminal


def wait_until_in(path, text, timeout=60):
    deadline = time.monotonic() + timeout
    while not path.exists() or text not in path.read_text():
        assert time.monotonic() < deadline, f"no {text!r} in {path}"
        time.sleep(0.05)


GOOD, BAD = {"id": "good", "run": "echo of-good"}, {"id": "bad", "run": "echo of-bad; exit 1"}


@pytest.mark.parametrize("when, places", [("never", ""), ("immediate", "n"), ("final", "f"), ("immediate-final", "nf")])
@pytest.mark.parametrize("test", [GOOD, BAD])
def test_output_is_shown_when_it_was_asked_for(project, test, when, places):
    project.commands(test, {"id": "last", "run": "sleep 0.1"})
    result = project.run("-n", 1, "--order=listed", f"--{'success' if test is GOOD else 'failure'}-output={when}")
    text = f"--- its output\nof-{test['id']}\n---\n"
    before, after = result.stdout.split("(2/2) last\n")
    assert before.count(text) == places.count("n") and after.count(text) == places.count("f"), result


def test_without_options_failures_show_theirs_at_once(project):
    project.commands(GOOD, BAD)
    result = project.run()
    assert "of-bad" in result.stdout and "of-good" not in result.stdout, result


def test_no_capture_is_live_and_serial(project):
    project.commands(
        {"id": "a", "run": "printf one; echo a >> order; sleep 0.3; echo A >> order"},
        {"id": "b", "run": "echo two >&2; echo b >> order; sleep 0.3; echo B >> order; exit 1"},
    )
    result = project.run("-n", 2, "--no-capture", "--write", ".", "--junit", "report.xml")
    assert (project.path / "order").read_text().lower() in ("a\na\nb\nb\n", "b\nb\na\na\n"), result
    assert "its output" not in result.stdout, result
    assert "/2) a\none\n PASS" in result.stdout and "/2) b\ntwo\n FAIL" in result.stdout, result
    assert "two" in ElementTree.parse(project.path / "report.xml").getroot()[0].find("./testcase/failure").text


def test_no_capture_comes_while_the_test_runs(project):
    project.commands({"id": "a", "run": "echo first; while ! test -e go; do sleep 0.05; done; echo second"})
    process = project.start("--no-capture")
    assert process.stdout.readline().startswith("START")
    assert process.stdout.readline() == "first\n"
    (project.path / "go").touch()
    assert process.communicate(timeout=60)[0].startswith("second\n") and process.returncode == 0


def test_a_wrong_word_is_an_error(project):
    project.commands(GOOD)
    result = project.run("--success-output=later")
    assert result.status == 4 and "never, immediate, final or immediate-final" in result.stderr, result


@pytest.mark.parametrize("again", [True, False])
def test_a_terminal_that_is_held_holds_nobody(project, again):
    """With blocking writes the first of these tests would have been the last one."""
    project.commands(*[{"id": f"t{i}", "run": "head -c 30000 /dev/zero | tr '\\0' x; exit 1"} for i in range(40)])
    terminal = in_terminal(project, "-n", 2)
    os.write(terminal.fd, b"\x13")  # ^S
    wait_until_in(terminal.events, '"run-end"')
    if again:
        os.write(terminal.fd, b"\x11")  # ^Q: nothing is lost
        assert terminal.end() == 1
        assert terminal.shown.count(b"FAIL") == 40 and b"40 tests: 40 failed" in terminal.shown
    else:
        os.write(terminal.fd, b"\x03")
        terminal.end()


def test_a_pager_that_reads_late_gets_it_all(project):
    project.commands(*[{"id": f"t{i}", "run": "head -c 30000 /dev/zero | tr '\\0' x; exit 1"} for i in range(40)])
    process = project.start("-n", 2)
    wait_until_in(process.events_path, '"run-end"')
    out, err = process.communicate(timeout=60)
    assert out.count(" FAIL ") == 40 and out.count("x" * 30000) == 40 and "40 failed" in err


def test_a_live_test_waits_for_a_reader_and_is_timed(project):
    """Nothing grows without bound for a test that says more than anybody reads."""
    project.commands({"id": "flood", "run": "yes"})
    process = project.start("--no-capture", "--timeout=1s", "--grace=off")
    wait_until_in(process.events_path, '"run-end"')
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "timeout" in err and len(out) < 8 << 20, err


def test_pytest_shows_its_own(suite):
    suite.write(test_a="def test_a(): pass\n")
    result = suite.run("--no-capture")
    assert result.status == 0 and "--no-capture is for tests that are programs" in result.stderr, result
