# SPDX-License-Identifier: MIT
"""`shunt mark`: the right marker at the right place, nothing else changed, and nothing believed."""
import ast
import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap

import pytest
from conftest import OPTIONS, SHUNT, clean_environment, needs_cgroups


def measured(test, verdict="tasks", limit=64, peak=402, serial="passed", file=None, runs=3, **extra):
    """An entry of the document: a test with one incident, or with none (verdict=None)."""
    texts = {"tasks": f"{limit} of {limit} tasks, 337 more refused", "stall": "no progress for 10 s"}
    incident = {"verdict": verdict, "runs": runs, "text": texts.get(verdict, ""), "limit": limit}
    entry = {
        "id": test,
        "file": file or test.split("::")[0],
        "runs": runs,
        "incidents": [incident] if verdict else [],
        "peak_tasks": peak,
        "peak_tasks_lane": "serial" if verdict else "parallel",
        "peak_memory_bytes": 0,
        "serial_outcome": serial if verdict else None,
        "last_lane": "serial",
        "why": "history" if verdict else None,
        "clean_runs": 0,
        "median_ms": 1.5,
    }
    entry.update(extra)
    return entry


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "p")


class Project:
    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.file("pytest.ini", "[pytest]\nmarkers =\n    parallel_unsafe: alone\n    shunt(tasks=): limits\n")

    def file(self, name, source):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source if isinstance(source, bytes) else textwrap.dedent(source).encode())
        return path

    def run(self, *tests, options=(), status=0, document=None):
        if document is None:
            document = {"schema": 1, "root": str(self.path), "runs": 3, "tests": list(tests)}
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        argv = [str(SHUNT), "mark", "--from", "-", "--python", sys.executable, *options]
        done = subprocess.run(argv, cwd="/", input=data, env=clean_environment(), capture_output=True, timeout=120)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == status, done
        return done

    def marked(self, name, source, *tests, options=()):
        """The source after `patch -p1` and, the same, after --write; a second call changes nothing."""
        path = self.file(name, source)
        before = path.read_bytes()
        patch = self.run(*tests, options=options).stdout
        copy = self.path.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.path, copy, symlinks=True)
        if patch:
            git = subprocess.run(["git", "apply", "-"], cwd=copy, input=patch, capture_output=True, env=git_environment())
            assert git.returncode == 0, (git.stderr, patch)
        assert path.read_bytes() == before
        self.run(*tests, options=(*options, "--write"))
        after = path.read_bytes()
        assert (copy / name).read_bytes() == after
        again = self.run(*tests, options=options)
        assert again.stdout == b"", again.stdout.decode()
        assert not list(self.path.rglob(".*shunt-*"))
        return after.decode("latin-1")


def git_environment():
    """A copy below somebody's work tree is none of its files."""
    return {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": "/", "GIT_DIR": "/nonexistent"}


UNSAFE = measured("test_a.py::test_x")

# What stands before, and after.
PLACES = {
    "import is there": ("import pytest\n\ndef test_x(): pass\n", "import pytest\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n"),
    "alias": ("import pytest as pt\n\ndef test_x(): pass\n", "import pytest as pt\n\n@pt.mark.parallel_unsafe\ndef test_x(): pass\n"),
    "mark": ("from pytest import mark\n\ndef test_x(): pass\n", "from pytest import mark\n\n@mark.parallel_unsafe\ndef test_x(): pass\n"),
    "mark as": (
        "from pytest import fixture, mark as m\n\ndef test_x(): pass\n",
        "from pytest import fixture, mark as m\n\n@m.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "no import at all": (
        "def test_x(): pass\n",
        "import pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "licence and comment": (
        "#!/usr/bin/python3\n# coding: utf-8\n# licence\n\n# about it\ndef test_x(): pass\n",
        "#!/usr/bin/python3\n# coding: utf-8\n# licence\n\nimport pytest\n\n\n# about it\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "coding above a function": (
        "# coding: latin-1\ndef test_x(): pass\n",
        "# coding: latin-1\nimport pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "docstring and future": (
        '"""Doc\nstring."""\nfrom __future__ import annotations\n\n\ndef test_x(): pass\n',
        '"""Doc\nstring."""\nfrom __future__ import annotations\n\nimport pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n',
    ),
    "among imports": (
        "import os\nimport sys\n\nimport numpy as np\nfrom yaml import load\n\nfrom . import helper\n\n\ndef test_x(): pass\n",
        "import os\nimport sys\n\nimport numpy as np\nimport pytest\nfrom yaml import load\n\nfrom . import helper\n\n\n"
        "@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "standard library only": (
        "import os\nfrom threading import (\n    Thread,\n)  # why\n\n\ndef test_x(): pass\n",
        "import os\nfrom threading import (\n    Thread,\n)  # why\n\nimport pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "own modules": (
        "import os\n\nfrom .helpers import x\n\n\ndef test_x(): pass\n",
        "import os\n\nimport pytest\n\nfrom .helpers import x\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "for type checkers only": (
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import pytest\n\n\ndef test_x(): pass\n",
        "from typing import TYPE_CHECKING\n\nimport pytest\n\nif TYPE_CHECKING:\n    import pytest\n\n\n"
        "@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "imported later": (
        "def test_x(): pass\n\nimport pytest\n",
        "import pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n\nimport pytest\n",
    ),
    "semicolons": (
        "import os; import sys\ndef test_x(): pass\n",
        "import os; import sys\n\nimport pytest\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
    "decorators and comments": (
        "import pytest\n\n# first\n@pytest.mark.parametrize(\n    'x', [1],\n)  # second\n# third\ndef test_x(x):  # fourth\n    pass\n",
        "import pytest\n\n# first\n@pytest.mark.parallel_unsafe\n@pytest.mark.parametrize(\n    'x', [1],\n)  # second\n# third\n"
        "def test_x(x):  # fourth\n    pass\n",
    ),
    "decorator over lines": (
        "import pytest\n\n@(\n  pytest.mark.skip\n)\ndef test_x(): pass\n",
        "import pytest\n\n@pytest.mark.parallel_unsafe\n@(\n  pytest.mark.skip\n)\ndef test_x(): pass\n",
    ),
    "async": (
        "import pytest\nasync def test_x():\n    pass\n",
        "import pytest\n@pytest.mark.parallel_unsafe\nasync def test_x():\n    pass\n",
    ),
    "no newline at the end": ("import pytest\ndef test_x(): pass", "import pytest\n@pytest.mark.parallel_unsafe\ndef test_x(): pass"),
    "CRLF": ("import os\r\ndef test_x(): pass\r\n", "import os\r\n\r\nimport pytest\r\n@pytest.mark.parallel_unsafe\r\ndef test_x(): pass\r\n"),
    "defined twice": (
        "import pytest\ndef test_x(): 1\ndef test_x(): 2\n",
        "import pytest\ndef test_x(): 1\n@pytest.mark.parallel_unsafe\ndef test_x(): 2\n",
    ),
    "in an if": (
        "import pytest\nif 1:\n\tdef test_x(): pass\n",
        "import pytest\nif 1:\n\t@pytest.mark.parallel_unsafe\n\tdef test_x(): pass\n",
    ),
    "form feed": (
        "import pytest\n\x0c\ndef test_x():\n    pass\n",
        "import pytest\n\x0c\n@pytest.mark.parallel_unsafe\ndef test_x():\n    pass\n",
    ),
    "try": (
        "try:\n    import pytest\nexcept ImportError:\n    raise\ndef test_x(): pass\n",
        "try:\n    import pytest\nexcept ImportError:\n    raise\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n",
    ),
}


@pytest.mark.parametrize("name", sorted(PLACES))
def test_where_the_marker_goes(project, name):
    before, after = PLACES[name]
    assert project.marked("test_a.py", before.encode("latin-1"), UNSAFE) == after


def test_bytes_that_are_no_utf8_are_kept(project):
    before = b"# coding: latin-1\nX = '\xe9'\nimport pytest\nclass Test\xe9:\n    def test_x(self): '\xe9'\n"
    after = project.marked("test_a.py", before, measured("test_a.py::Testé::test_x"))
    assert after.encode("latin-1") == before.replace(b"    def", b"    @pytest.mark.parallel_unsafe\n    def")


def test_a_byte_order_mark_stays_in_front(project):
    after = project.marked("test_a.py", b"\xef\xbb\xbfdef test_x(): pass\n", UNSAFE)
    assert after.encode("latin-1") == b"\xef\xbb\xbfimport pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n"


def test_the_evidence_stands_before_the_file(project):
    project.file("test_a.py", "def test_x(): pass\n")
    lines = project.run(UNSAFE).stdout.decode().splitlines()
    assert lines[0] == (
        "# test_a.py::test_x: hit 64 of 64 tasks in 3 of 3 runs; needs 402, measured in the serial lane; passes there"
    )
    assert lines[1:3] == ["--- a/test_a.py", "+++ b/test_a.py"]


def test_the_evidence_counts_runs_of_the_parallel_lane(project):
    project.file("test_a.py", "def test_x(): pass\n")
    entry = measured("test_a.py::test_x", runs=9, parallel_runs=2)
    entry["incidents"][0]["parallel_runs"] = 1
    assert b"hit 64 of 64 tasks in 1 of 2 runs; " in project.run(entry).stdout


def test_patch_takes_it_too(project):
    path = project.file("sub dir/test_é.py", "def test_x():\r\n    pass\r\n")
    patch = project.run(measured("sub dir/test_é.py::test_x")).stdout
    assert patch
    subprocess.run(["patch", "-p1", "--binary"], cwd=project.path, input=patch, check=True, capture_output=True)
    assert b"@pytest.mark.parallel_unsafe\r\n" in path.read_bytes()


@pytest.mark.parametrize(
    "peak, limit, marker",
    [(80, 64, "shunt(tasks=120)"), (128, 64, "shunt(tasks=192)"), (129, 64, "parallel_unsafe"), (402, 64, "parallel_unsafe"), (20, 16, "shunt(tasks=32)"), (9, 16, "parallel_unsafe"), (16, 16, "parallel_unsafe")],
)
def test_a_wider_limit_where_a_slot_can_give_it(project, peak, limit, marker):
    after = project.marked("test_a.py", "import pytest\ndef test_x(): pass\n", measured("test_a.py::test_x", peak=peak, limit=limit))
    assert after == f"import pytest\n@pytest.mark.{marker}\ndef test_x(): pass\n"


def test_a_wider_limit_for_memory(project):
    entry = measured("test_a.py::test_x", "memory", limit=512 << 20, peak=3, peak_memory_bytes=600 << 20)
    assert '@pytest.mark.shunt(memory="960M")\n' in project.marked("test_a.py", "def test_x(): pass\n", entry)


def test_other_verdicts_go_to_the_serial_lane(project):
    for verdict in ("stall", "timeout", "signal", "exit"):
        after = project.marked("test_a.py", "def test_x(): pass\n", measured("test_a.py::test_x", verdict, None, 5))
        assert "@pytest.mark.parallel_unsafe\n" in after


def test_what_a_marker_does_not_mend_is_not_marked(project):
    project.file("test_a.py", "def test_x(): pass\n")
    for verdict in ("external", "contention", "leak", "denied", "protocol", "made-up"):
        assert project.run(measured("test_a.py::test_x", verdict)).stdout == b""
    killed = project.run(measured("test_a.py::test_x", serial="killed"))
    assert killed.stdout == b"" and b"killed alone as well: a marker does not help it" in killed.stderr
    unknown = project.run(measured("test_a.py::test_x", serial=None))
    assert unknown.stdout == b"" and b"not yet measured in the serial lane" in unknown.stderr


def test_parameters_share_a_function(project):
    source = "import pytest\n@pytest.mark.parametrize('a', [1, 2])\ndef test_x(a): pass\n"
    project.file("test_a.py", source)
    tests = [measured("test_a.py::test_x[a::b[/1]"), measured("test_a.py::test_x[2]", None)]
    done = project.run(*tests)
    assert done.stdout.count(b"+@pytest.mark.parallel_unsafe") == 1
    assert b"# only 1 of 2 parameters" in done.stdout
    assert "@pytest.mark.parallel_unsafe\n@pytest.mark.parametrize" in project.marked("test_a.py", source, *tests)


CLASS = "import pytest\n\n\nclass TestC:\n\tx = 1\n\n\tdef test_a(self): pass\n\tdef test_b(self): pass\n\tdef test_c(self): pass\n\tdef test_d(self): pass\n"


@pytest.mark.parametrize("offenders, on_class", [("abcd", True), ("abc", True), ("ab", False), ("d", False)])
def test_a_class_where_most_of_it_offends(project, offenders, on_class):
    tests = [measured(f"test_a.py::TestC::test_{c}", "tasks" if c in offenders else None) for c in "abcd"]
    after = project.marked("test_a.py", CLASS, *tests)
    assert after.count("parallel_unsafe") == (1 if on_class else len(offenders))
    assert ("@pytest.mark.parallel_unsafe\nclass TestC:" in after) == on_class
    assert ("\t@pytest.mark.parallel_unsafe\n\tdef" in after) != on_class


def test_nested_classes_and_static_methods(project):
    source = """
    import pytest
    class TestA:
        class TestB:
            @staticmethod
            def test_x(): pass
    """
    after = project.marked("test_a.py", source, measured("test_a.py::TestA::TestB::test_x"))
    assert "            @staticmethod\n            @pytest.mark.parallel_unsafe\n            def test_x" in textwrap.indent(after, "    ")


def test_inherited_tests_mark_the_class_that_inherits(project):
    project.file("base.py", "class Base:\n    def test_x(self): pass\n")
    source = "from base import Base\nclass TestA(Base):\n    pass\n"
    project.file("test_a.py", source)
    tests = [measured("test_a.py::TestA::test_x")]
    assert b"test_x is inherited (from base.py:2), so the class TestA is marked" in project.run(*tests).stdout
    assert "@pytest.mark.parallel_unsafe\nclass TestA(Base):" in project.marked("test_a.py", source, *tests)
    assert (project.path / "base.py").read_text() == "class Base:\n    def test_x(self): pass\n"


@pytest.mark.parametrize(
    "source, test, said",
    [
        ("exec('def test_x(): pass')\n", "test_a.py::test_x", "cannot find the source of test_a.py::test_x"),
        ("test_x = make()\n", "test_a.py::test_x", "cannot find the source of"),
        ("def test_x(\n", "test_a.py::test_x", "test_a.py:1: cannot be parsed"),
        ("if a:\n    def test_x(): 1\nelse:\n    def test_x(): 2\n", "test_a.py::test_x", "defined more than once (lines 2, 4)"),
        ("pytest = 3\ndef test_x(): pass\n", "test_a.py::test_x", "the name pytest means something else"),
        ("class TestA:\n    pytest = 3\n    def test_x(self): pass\n", "test_a.py::TestA::test_x", "the name pytest means something else"),
        ("import pytest\n@pytest.mark.shunt(tasks=70)\ndef test_x(): pass\n", "test_a.py::test_x", "raise it to 120 by hand"),
        ("def test_x(): pass\n", "gone.py::test_x", "cannot find the source of gone.py::test_x"),
        ("x = 1\n", "test_a.py::TestA::test_x", "no TestA in test_a.py"),
    ],
)
def test_what_cannot_be_marked_is_said(project, source, test, said):
    project.file("test_a.py", source)
    done = project.run(measured(test, peak=80))
    assert done.stdout == b""
    assert said in done.stderr.decode()


def test_what_is_marked_already_stays(project):
    project.file(
        "test_a.py",
        """
        import pytest
        pytestmark = pytest.mark.slow
        @pytest.mark.serial
        def test_a(): pass
        class TestB:
            pytestmark = [pytest.mark.parallel_unsafe]
            def test_b(self): pass
        @pytest.mark.shunt(lane="serial")
        class TestC:
            def test_c(self): pass
        """,
    )
    done = project.run(*(measured(f"test_a.py::{t}") for t in ("test_a", "TestB::test_b", "TestC::test_c")))
    assert done.stdout == b""
    assert b"nothing to change: 3 tests measured; 3 marked already" in done.stderr


def test_another_marker_is_made_known_to_shunt(project):
    after = project.marked("test_a.py", "def test_x(): pass\n", UNSAFE, options=("--marker", "needs_alone"))
    assert "@pytest.mark.needs_alone\n" in after
    ini = (project.path / "pytest.ini").read_text()
    assert "    needs_alone: runs alone" in ini and "shunt_serial_markers =\n    needs_alone\n" in ini
    for wrong in ("a b", "class", "x\ny", "é", "a.b", ""):
        project.run(UNSAFE, options=("--marker", wrong), status=4)


# ---- removal ---------------------------------------------------------------------------------


def clean(test, **extra):
    entry = measured(test, None, peak=5, why="marker", clean_runs=3, **extra)
    entry["limit"] = 64
    return entry


def test_a_marker_that_is_no_longer_needed_goes(project):
    source = "import pytest\n\n\n@pytest.mark.parallel_unsafe\n@pytest.mark.slow\ndef test_x(): pass\n"
    assert project.marked("test_a.py", source, clean("test_a.py::test_x")) == source.replace("@pytest.mark.parallel_unsafe\n", "")


def test_one_task_is_one(project):
    project.file("test_a.py", "import pytest\n\n\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n")
    entry = clean("test_a.py::test_x")
    entry["peak_tasks"] = 1
    assert project.run(entry).stdout.decode().splitlines()[0].endswith("no longer needed: 3 clean runs, at most 1 task")


@pytest.mark.parametrize(
    "source, change, said",
    [
        ("@pytest.mark.parallel_unsafe\ndef test_x(): pass\n", {"clean_runs": 2}, ""),
        ("@pytest.mark.parallel_unsafe\ndef test_x(): pass\n", {"peak_tasks": 40}, ""),
        ("@pytest.mark.parallel_unsafe\ndef test_x(): pass\n", {"limit": None, "peak_tasks": 9}, ""),
        ("@pytest.mark.parallel_unsafe\ndef test_x(): pass\n", {"why": "history"}, ""),
        ("@pytest.mark.parallel_unsafe  # port\ndef test_x(): pass\n", {}, "has a comment: remove it by hand"),
        ("@pytest.mark.parallel_unsafe\ndef test_x(): open('/tmp/x', 'w')\n", {}, "its marker stays: fixed path /tmp/x (test_a.py:3)"),
        ("@pytest.mark.serial\ndef test_x(): pass\n", {}, ""),
    ],
)
def test_a_marker_that_may_be_needed_stays(project, source, change, said):
    project.file("test_a.py", "import pytest\n" + source)
    entry = clean("test_a.py::test_x")
    entry.update(change)
    done = project.run(entry)
    assert done.stdout == b""
    assert said in done.stderr.decode()


def test_an_import_that_is_left_over_is_said(project):
    project.file("test_a.py", "import pytest\n@pytest.mark.parallel_unsafe\ndef test_x(): pass\n")
    assert b"test_a.py: nothing uses its import of pytest any more" in project.run(clean("test_a.py::test_x")).stderr


# ---- registering -----------------------------------------------------------------------------

ENTRY = "parallel_unsafe: runs alone, in shunt's serial lane, e.g. @pytest.mark.parallel_unsafe"
CONFIGS = {
    "pytest.ini, list": ("pytest.ini", "[pytest]\nmarkers =\n\tslow: x\n\taddopts = no key\naddopts = -q\n", "\taddopts = no key\n\t" + ENTRY + "\naddopts"),
    "pytest.ini, one line": ("pytest.ini", "[pytest]\nmarkers = slow: x\n", "markers = slow: x\n    " + ENTRY + "\n"),
    "pytest.ini, no key": ("pytest.ini", "# c\n[pytest]\naddopts = -q\n\n[other]\nmarkers = y\n", "addopts = -q\nmarkers =\n    " + ENTRY + "\n\n[other]"),
    "pytest.ini, empty": ("pytest.ini", "", "[pytest]\nmarkers =\n    " + ENTRY + "\n"),
    "pytest.ini, CRLF": ("pytest.ini", "[pytest]\r\nmarkers =\r\n  slow\r\n", "  slow\r\n  " + ENTRY + "\r\n"),
    "pytest.ini, no newline": ("pytest.ini", "[pytest]\nmarkers =\n  slow", "  slow\n  " + ENTRY + "\n"),
    "setup.cfg": ("setup.cfg", "[metadata]\nname = x\n[tool:pytest]\nmarkers =\n    slow: x\n", "    slow: x\n    " + ENTRY + "\n"),
    "tox.ini": ("tox.ini", "[tox]\nenvlist = py\n[pytest]\n; c\nmarkers =\n    slow: x\n    # c\n    fast: y\n", "    fast: y\n    " + ENTRY + "\n"),
    "toml, lines": (
        "pyproject.toml",
        '[tool.pytest.ini_options]\nmarkers = [\n  "slow: x",  # "c\n  \'fast: ]\',\n]\nminversion = "6"\n',
        f'  \'fast: ]\',\n  "{ENTRY}",\n]\nminversion',
    ),
    "toml, no comma": ("pyproject.toml", '[tool.pytest.ini_options]\nmarkers = [\n  "slow: x"  # c\n]\n', f'  "slow: x",  # c\n  "{ENTRY}",\n]'),
    "toml, one line": ("pyproject.toml", '[tool.pytest.ini_options]\nmarkers = ["slow: x"]\n', f'markers = ["slow: x", "{ENTRY}"]\n'),
    "toml, empty list": ("pyproject.toml", "[tool.pytest.ini_options]\nmarkers = []\n", f'markers = ["{ENTRY}"]\n'),
    "toml, no key": ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-q"\n\n[tool.x]\ny = 1\n', f'addopts = "-q"\nmarkers = [\n    "{ENTRY}",\n]\n\n[tool.x]'),
    "toml, no table": ("pyproject.toml", '[project]\nname = "x"\n', f'name = "x"\n\n[tool.pytest.ini_options]\nmarkers = [\n    "{ENTRY}",\n]\n'),
    "toml, misleading": (
        "pyproject.toml",
        'x = """\n[tool.pytest.ini_options]\nmarkers = []\n"""\n[ tool . "pytest" . ini_options ] # c\nmarkers = [ "a" ]\n',
        f'markers = [ "a", "{ENTRY}" ]\n',
    ),
    "toml, CRLF": ("pyproject.toml", '[tool.pytest.ini_options]\r\nmarkers = [\r\n  "a",\r\n]\r\n', f'  "a",\r\n  "{ENTRY}",\r\n]\r\n'),
    "none": ("pytest.ini", None, "[pytest]\nmarkers =\n    " + ENTRY + "\n"),
}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_the_marker_is_registered_where_the_configuration_is(project, name):
    file, before, after = CONFIGS[name]
    (project.path / "pytest.ini").unlink()
    if before is not None:
        project.file(file, before.encode())
    project.marked("test_a.py", "def test_x(): pass\n", UNSAFE)
    text = (project.path / file).read_bytes().decode()
    assert after in text
    if before:
        changed = set(before.split("\n")[:-1]) - set(text.split("\n"))
        assert len(changed) <= 1, changed  # the line of the list, where it is one line, or lacked a comma or a newline
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider"],
        cwd=project.path, env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "file, text",
    [
        ("pytest.ini", "[pytest]\nmarkers =\n  parallel_unsafe(reason): x\n"),
        ("setup.cfg", "[tool:pytest]\nmarkers = parallel_unsafe\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\nmarkers = ['parallel_unsafe : x']\n"),
    ],
)
def test_a_registered_marker_is_not_registered_again(project, file, text):
    (project.path / "pytest.ini").unlink()
    path = project.file(file, text)
    project.marked("test_a.py", "def test_x(): pass\n", UNSAFE)
    assert path.read_text() == text


def test_pytests_precedence(project):
    project.file("pyproject.toml", "[tool.pytest.ini_options]\nmarkers = []\n")
    project.file("setup.cfg", "[tool:pytest]\n")
    project.file("pytest.ini", "")
    project.marked("test_a.py", "def test_x(): pass\n", UNSAFE)
    assert ENTRY in (project.path / "pytest.ini").read_text()
    assert ENTRY not in (project.path / "pyproject.toml").read_text() + (project.path / "setup.cfg").read_text()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[tool.pytest.ini_options]\nmarkers = " + "[" * 5000 + "\n", id="deep"),
        '[tool.pytest.ini_options]\nmarkers = "slow: x"\n',
        "[tool]\npytest = {ini_options = {markers = []}}\n",
        "[tool.pytest.ini_options]\nmarkers = [\n",
        "[tool.pytest]\nmarkers = []\n",
    ],
)
def test_a_configuration_that_is_not_understood_is_left_alone(project, text):
    (project.path / "pytest.ini").unlink()
    path = project.file("pyproject.toml", text)
    project.file("test_a.py", "def test_x(): pass\n")
    done = project.run(UNSAFE, options=("--write",))
    assert path.read_text() == text
    assert b"pyproject.toml: " in done.stderr and ENTRY.encode() in done.stderr
    assert "parallel_unsafe" in (project.path / "test_a.py").read_text()


# ---- writing ---------------------------------------------------------------------------------


def test_mode_and_owner_are_kept(project):
    path = project.file("test_a.py", "def test_x(): pass\n")
    path.chmod(0o750)
    (project.path / "pytest.ini").unlink()
    if os.getuid() == 0:
        os.chown(path, 1000, 1000)
        os.chown(project.path, 1000, 1000)
    before = path.stat()
    out = project.run(UNSAFE, options=("--write",)).stdout.decode()
    assert out.startswith("changed test_a.py\n  test_a.py::test_x: hit 64 of 64 tasks")
    after = path.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o750, before.st_uid, before.st_gid)
    new, folder = (project.path / "pytest.ini").stat(), project.path.stat()
    assert (stat.S_IMODE(new.st_mode), new.st_uid, new.st_gid) == (0o644, folder.st_uid, folder.st_gid)


def test_links_that_lead_out_are_refused(project, tmp_path):
    outside = tmp_path / "outside.py"
    outside.write_text("def test_x(): pass\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "test_b.py").write_text("def test_x(): pass\n")
    os.symlink(outside, project.path / "test_a.py")
    os.symlink(tmp_path / "folder", project.path / "sub")
    done = project.run(UNSAFE, measured("sub/test_b.py::test_x"), options=("--write",))
    assert done.stderr.count(b"leads out of") == 2
    assert outside.read_text() == "def test_x(): pass\n"
    assert (project.path / "test_a.py").is_symlink()


def test_a_link_inside_is_followed(project):
    path = project.file("real.py", "def test_x(): pass\n")
    os.symlink("real.py", project.path / "test_a.py")
    project.run(UNSAFE, options=("--write",))
    assert (project.path / "test_a.py").is_symlink() and "parallel_unsafe" in path.read_text()


def test_a_file_that_changed_in_between_is_refused():
    sys.path.insert(0, str(SHUNT.parent / "share" / "shunt" / "python"))
    try:
        from shunt_mark.patch import CannotWrite, FileChange, write
    finally:
        sys.path.pop(0)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = os.path.realpath(folder)
        path = os.path.join(root, "a.py")
        with open(path, "w") as file:
            file.write("new")
        with pytest.raises(CannotWrite, match="changed in between"):
            write(FileChange(path, "a.py", b"old", b"x", []), root)
        with pytest.raises(CannotWrite, match="came into being"):
            write(FileChange(path, "a.py", None, b"x", []), root)
        with pytest.raises(CannotWrite, match="not inside"):
            write(FileChange("/etc/a.py", "a.py", None, b"x", []), root)
        assert os.listdir(root) == ["a.py"]


# ---- the document ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, said",
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100000, "no JSON"),
        (b"[]", '"schema": 1'),
        ({"schema": 2}, '"schema": 1'),
        ({"root": "relative"}, "root: "),
        ({"root": "/nonexistent\0x"}, "root: "),
        ({"root": 5}, "document.root"),
        ({"tests": {}}, "tests: expected a list"),
        ({"tests": [5]}, "tests[0]: expected an object"),
        ({"tests": [{}]}, "tests[0].file"),
        ({"tests": [{"file": "../a.py", "id": "../a.py::x"}]}, "tests[0].file: expected a path below the root"),
        ({"tests": [{"file": "/etc/passwd", "id": "/etc/passwd::x"}]}, "tests[0].file"),
        ({"tests": [{"file": "a.py", "id": "b.py::x"}]}, "tests[0].id"),
        ({"tests": [{"file": "a.py", "id": "a.py::x", "runs": -1}]}, "tests[0].runs"),
        ({"tests": [{"file": "a.py", "id": "a.py::x", "peak_tasks": 1e400}]}, "tests[0].peak_tasks"),
        ({"tests": [{"file": "a.py", "id": "a.py::x", "incidents": [5]}]}, "tests[0].incidents[0]"),
        ({"tests": [{"file": "a.py", "id": "a.py::x", "incidents": [{"verdict": 5}]}]}, "incidents[0].verdict"),
        ({"tests": [{"file": "a.py", "id": "a.py::" + "x" * 9000}]}, "tests[0].id"),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(project, change, said):
    document = change
    if isinstance(change, dict):
        document = {"schema": 1, "root": str(project.path), "runs": 1, "tests": []}
        document.update(change)
    done = project.run(document=document, status=4)
    assert done.stderr.startswith(b"shunt: standard input: ") and said in done.stderr.decode()


def test_programs_have_no_markers(project):
    """A history that holds tests of ctest or of a list as well was refused as a whole."""
    project.file("test_a.py", "def test_x(): pass\n")
    programs = [measured(t, file=t) for t in ("ctest_one", "sh -c 'ls /../x'", "sleep 1; true")]
    assert b"+@pytest.mark.parallel_unsafe" in project.run(*programs, UNSAFE).stdout
    assert b"nothing to change" in project.run(*programs).stderr


def test_a_hostile_document_cannot_write_into_patch_or_terminal(project):
    project.file("test_a.py", "def test_x(): pass\n")
    evil = "\n--- a/x\n+++ b/../../etc/passwd\n@@ -1 +1 @@\n\x1b[2J"
    entry = measured("test_a.py::test_x")
    entry["incidents"] = [{"verdict": "stall", "runs": 1, "text": evil, "limit": None}]
    entry["serial_outcome"] = "passed"
    other = measured("test_a.py::" + evil)
    done = project.run(entry, other)
    assert done.stdout.count(b"\n--- ") == 1 and b"\n+++ b/.." not in done.stdout and b"\x1b" not in done.stdout + done.stderr
    assert ast.parse("import pytest")


def test_without_from_and_with_operands(project):
    done = subprocess.run([str(SHUNT), "mark"], capture_output=True, text=True, cwd=project.path)
    assert done.returncode == 4 and "there is no history here" in done.stderr and "shunt run" in done.stderr
    done = subprocess.run([str(SHUNT), "mark", "--from", "-", "tests"], capture_output=True, text=True)
    assert done.returncode == 4 and "takes no operands" in done.stderr
    done = subprocess.run([str(SHUNT), "mark", "--from", "/nowhere"], capture_output=True, text=True)
    assert done.returncode == 4 and "/nowhere: No such file" in done.stderr


@needs_cgroups
def test_from_a_run_to_the_mended_suite(tmp_path):
    """shunt run, shunt mark --write, and the next run kills nobody and says nothing."""
    (tmp_path / "tests").mkdir()
    test = tmp_path / "tests" / "test_pool.py"
    test.write_text(
        "import threading, time\n\n\n"
        "def test_storm():\n"
        "    threads = []\n"
        "    for _ in range(100):\n"
        "        threads.append(threading.Thread(target=time.sleep, args=(0.2,)))\n"
        "        threads[-1].start()\n"
        "    for thread in threads:\n"
        "        thread.join()\n\n\n"
        "def test_quiet(): pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")

    def shunt(*words, cwd=tmp_path):
        return subprocess.run([str(SHUNT), *words], capture_output=True, text=True, cwd=cwd, env=clean_environment(), timeout=120)

    run = ("run", *OPTIONS, "-n", "1", "--tasks", "32", "--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    done = shunt(*run)
    assert done.returncode == 0 and "[tasks]" in done.stderr and "shunt mark" in done.stderr, done
    done = shunt("mark", cwd=tmp_path / "tests")
    assert done.returncode == 0 and "+@pytest.mark.parallel_unsafe" in done.stdout, done
    assert "hit 32 of 32 tasks in 1 of 1 run" in done.stdout, done
    done = shunt("mark", "--write")
    assert done.returncode == 0 and "@pytest.mark.parallel_unsafe\ndef test_storm" in test.read_text(), done
    done = shunt("mark")
    assert done.returncode == 0 and done.stdout == "", done
    done = shunt(*run)
    assert done.returncode == 0 and "[tasks]" not in done.stderr and "passed-serial" not in done.stderr, done


def test_what_a_test_leaves_behind_is_to_be_mended(project):
    """It passes in the serial lane, and kills its worker later: a marker would move that to somewhere else."""
    entry = measured("test_a.py::test_x", verdict="exit")
    entry["incidents"][0]["text"] = "by what it left behind, 0.8 s later"
    project.file("test_a.py", "def test_x(): pass\n")
    done = project.run(entry)
    assert done.stdout == b"" and b"mend the test" in done.stderr, done
