# SPDX-License-Identifier: MIT
"""`shunt scan`: tests that look unsafe beside others, from their sources alone."""
import argparse
import json
import os
import sys
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

from .collect import Mark, Test, is_serial, is_test_file, keyword, marks, naming, tests_of
from .config import BadConfig, Config, find, root_of
from .project import Project, python_files
from .reach import Finding, Reach
from .reasons import KINDS
from .source import printable

SERIAL = ["parallel_unsafe", "serial"]
TITLES = {
    "limits": "Threads and processes that may be more than a worker's share:",
    "shared": "Shared with other workers, unless the policy isolates them (/tmp: all but observe; ports: hardened):",
    "order": "Seen by later tests of the same worker:",
}
SMALL = "Small (pools of 8 and less, single threads), or put back: safe in most suites:"


class Row(NamedTuple):
    test: Test
    finding: Finding
    marked: str  # "parallel_unsafe (tests/a.py:3)", or ""

    @property
    def place(self) -> Tuple[str, int]:
        return self.test.owner.shown, self.test.node.lineno


def covering(kind: str, found: List[Mark], serial: List[str]) -> str:
    """The marker that takes care of a kind of reason."""
    for mark in found:
        own_limit = mark.name == "shunt" and kind == "limits" and keyword(mark.node, "tasks") is not None
        grouped = mark.name in ("xdist_group", "serial_group") and kind != "limits"
        if is_serial(mark, serial) or own_limit or grouped:
            return f"{mark.name} ({mark.where})"
    return ""


def serial_names(config: Config) -> List[str]:
    return SERIAL + config.names("shunt_serial_markers", [])


class Scan:
    """A project, read as far as its tests reach."""

    def __init__(self, root: str) -> None:
        self.project = Project(root)
        try:
            self.config = find(self.project.root)
        except BadConfig as error:
            self.project.complaints.append(f"{error}: pytest's own names of tests are assumed")
            self.config = Config("", None, "", {})
        self.names = naming(self.config)
        self.serial = serial_names(self.config)
        self.reach = Reach(self.project)

    def tests(self, path: str) -> Iterator[Test]:
        module = self.project.load(path)
        if module is not None:
            yield from tests_of(self.project, module, self.names)

    def rows(self, test: Test) -> List[Row]:
        try:
            found = marks(self.project, test)
            findings = self.reach.findings(test, found)
        except RecursionError:
            self.project.complaints.append(f"{test.owner.shown}:{test.node.lineno}: cannot be followed: nested too deeply")
            return []
        return [Row(test, finding, covering(finding.reason.kind, found, self.serial)) for finding in findings]


def files_of(paths: List[str], scan: Scan) -> List[str]:
    found: Set[str] = set()
    for path in paths:
        if os.path.isdir(path):
            found.update(f for f in python_files(path) if is_test_file(f, scan.names))
        else:
            found.add(path)
    return sorted(os.path.realpath(f) for f in found)


def text_of(row: Row) -> str:
    file, line = row.place
    where = row.finding.where
    via = ", through " + ", ".join(row.finding.via) if row.finding.via else ""
    there = f" ({where}{via})" if via or where.rsplit(":", 1)[0] != file else f" (line {where.rsplit(':', 1)[1]})"
    marked = f"  [marked {row.marked}]" if row.marked else ""
    return printable(f"{file}:{line}: {row.test.label}: {row.finding.reason.text}{there}{marked}", 1000)


def _json_of(row: Row) -> Dict[str, object]:
    file, line = row.place
    found_file, _, found_line = row.finding.where.rpartition(":")
    return {
        "file": file,
        "line": line,
        "test": f"{row.test.module.shown}::{row.test.label}",
        "kind": row.finding.reason.kind,
        "small": row.finding.reason.small,
        "reason": row.finding.reason.text,
        "at": {"file": found_file, "line": int(found_line)},
        "through": list(row.finding.via),
        "marked": row.marked or None,
    }


def _summary(tests: int, files: int, rows: List[Row], shown: bool) -> str:
    unmarked: Dict[str, Set[str]] = {kind: set() for kind in KINDS}
    unsafe, marked = set(), set()
    small = sum(row.finding.reason.small for row in rows)
    for row in rows:
        if row.finding.reason.small:
            continue
        key = f"{row.test.module.shown}::{row.test.label}"
        unsafe.add(key)
        if row.marked:
            marked.add(key)
        else:
            unmarked[row.finding.reason.kind].add(key)
    marked -= {key for keys in unmarked.values() for key in keys}
    counts = ", ".join(f"{kind} {len(unmarked[kind])}" for kind in KINDS if unmarked[kind])
    text = f"shunt: {tests} test function{'s' if tests != 1 else ''} in {files} file{'s' if files != 1 else ''}: "
    text += f"{len(unsafe) - len(marked)} look unsafe" + (f" ({counts})" if counts else "")
    if marked:
        text += f"; {len(marked)} more marked"
    return text + (f"; {small} small or put back{'' if shown else ': --all shows them'}" if small else "")


def _print_part(title: str, rows: List[Row]) -> None:
    if rows:
        print(title)
        for row in rows:
            print(text_of(row))
        print()


def _print(rows: List[Row]) -> None:
    unsafe = [row for row in rows if not row.finding.reason.small]
    for kind in KINDS:
        _print_part(TITLES[kind], [row for row in unsafe if row.finding.reason.kind == kind])
    _print_part(SMALL, [row for row in rows if row.finding.reason.small])


def scan_main(options: argparse.Namespace) -> int:
    paths = [os.path.realpath(p) for p in options.paths or ["."]]
    for path, given in zip(paths, options.paths or ["."]):
        if not os.path.exists(path):
            print(f"shunt: {printable(given)}: no such file or folder", file=sys.stderr)
            if given.startswith("-"):
                print("  options stand before the first path", file=sys.stderr)
            return 4
    scan = Scan(options.root or root_of(os.path.commonpath(paths)))
    files = files_of(paths, scan)
    rows: List[Row] = []
    count = 0
    for path in files:
        for test in scan.tests(path):
            count += 1
            rows += scan.rows(test)
    rows.sort(key=lambda r: (KINDS.index(r.finding.reason.kind), r.place, r.test.label, r.finding.where, r.finding.reason.text))
    shown = rows if options.all else [row for row in rows if not row.finding.reason.small]
    for complaint in scan.project.complaints:
        print(printable(complaint, 1000), file=sys.stderr)
    if options.json:
        document = {"schema": 1, "tests": count, "files": len(files), "findings": [_json_of(r) for r in shown]}
        print(json.dumps(document, indent=1))
    else:
        _print(shown)
        print(_summary(count, len(files), rows, options.all))
    return 1 if not options.exit_zero and any(not row.marked for row in shown if not row.finding.reason.small) else 0
