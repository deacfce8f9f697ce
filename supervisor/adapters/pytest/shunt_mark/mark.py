# SPDX-License-Identifier: MIT
"""`shunt mark`: markers for what was measured, as a patch."""
import argparse
import ast
import keyword as keywords
import os
import sys
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from . import document
from .collect import Mark, Test, is_serial, keyword, marks, marks_on
from .decide import Decisions, Key, Need, decide
from .edit import Editor, Refused, bound_names, top_level_names
from .patch import CannotWrite, FileChange, diff, write
from .project import Module
from .register import register
from .scan import Scan
from .source import FUNCTIONS, CannotParse, definitions, printable


class NotFound(Exception):
    """Why the source of a test is not where its id says."""


class Place(NamedTuple):
    """Where a need's definition stands. For inherited tests `node` is the class that inherits."""

    module: Module
    classes: List[ast.ClassDef]
    node: ast.stmt
    inherited: str  # "tests/base.py:12", or ""


def _only(module: Module, body: List[ast.stmt], name: str) -> Optional[ast.stmt]:
    found = definitions(body).get(name, [])
    if len(found) > 1 and any(node not in body for node in found):
        lines = ", ".join(str(node.lineno) for node in found)
        raise NotFound(f"{module.shown}: {name} is defined more than once (lines {lines}): mark it by hand")
    return found[-1] if found else None


def locate(scan: Scan, file: str, names: Tuple[str, ...]) -> Place:
    """Raises NotFound."""
    shown = printable("::".join((file,) + names))
    path = os.path.realpath(os.path.join(scan.project.root, file))
    if not scan.project.is_inside(path):
        raise NotFound(f"cannot mark {shown}: the file leads out of {printable(scan.project.root)}")
    module = scan.project.load(path) if os.path.isfile(path) and path.endswith(".py") else None
    if module is None:
        raise NotFound(f"cannot find the source of {shown}: {printable(file)} cannot be read as Python")
    body: List[ast.stmt] = module.tree.body
    classes: List[ast.ClassDef] = []
    for at, name in enumerate(names):
        node = _only(module, body, name)
        last = at == len(names) - 1
        if node is None and classes and last:
            member = scan.project.member(module, classes[-1], name)
            if member is not None:
                return Place(module, classes[:-1], classes[-1], f"{member[0].shown}:{member[1].lineno}")
        if node is None:
            raise NotFound(f"cannot find the source of {shown}: no {printable(name)} in {module.shown} (made while it runs?)")
        if last:
            return Place(module, classes, node, "")
        if not isinstance(node, ast.ClassDef):
            raise NotFound(f"cannot find the source of {shown}: {printable(name)} is no class")
        classes.append(node)
        body = node.body
    raise NotFound(f"cannot find the source of {shown}")


def _marks_of(scan: Scan, place: Place) -> List[Mark]:
    if isinstance(place.node, FUNCTIONS):
        return marks(scan.project, Test(place.module, place.module, tuple(place.classes), place.node))
    dummy = ast.parse("def f(): pass").body[0]
    classes = tuple(place.classes) + (place.node,)
    return marks(scan.project, Test(place.module, place.module, classes, dummy))  # type: ignore[arg-type]


class Marking:
    """All changes of one call, by file."""

    def __init__(self, root: str, marker: str) -> None:
        self.scan = Scan(root)
        self.marker = marker
        self.serial = self.scan.serial + [marker]
        self.editors: Dict[str, Editor] = {}
        self.evidence: Dict[str, List[Tuple[int, str]]] = {}
        self.used: Set[str] = set()
        self.notes: List[str] = []
        self.already = 0
        self.own = top_level_names(self.scan.project.root)
        self.done: Set[Tuple[int, str]] = set()

    def _editor(self, module: Module) -> Editor:
        path = module.source.path
        if path not in self.editors:
            self.editors[path] = Editor(module.source, self.own)
        return self.editors[path]

    def _is_marked(self, need: Need, found: List[Mark]) -> bool:
        """Whether there is a marker already; raises Refused where one is there that says less."""
        if any(is_serial(mark, self.serial) for mark in found):
            return True
        for word, wanted in (("tasks", need.tasks), ("memory", need.memory_mib)):
            given = [(m, keyword(m.node, word)) for m in found if m.name == "shunt" and keyword(m.node, word) is not None]
            if need.serial or not wanted or not given:
                continue
            mark, value = given[0]
            if word == "tasks" and isinstance(value, ast.Constant) and isinstance(value.value, int) and value.value >= wanted:
                return True
            shown = wanted if word == "tasks" else f'"{wanted}M"'
            raise Refused(f"{mark.where}: has a shunt({word}=...) already: raise it to {shown} by hand")
        return False

    def add(self, need: Need) -> None:
        place = locate(self.scan, need.file, need.names)
        if self._is_marked(need, _marks_of(self.scan, place)):
            self.already += 1
            return
        text = need.marker(self.marker)
        target = place.node
        assert isinstance(target, FUNCTIONS + (ast.ClassDef,))
        if (id(target), text) in self.done:
            return
        self.done.add((id(target), text))
        line = self._editor(place.module).add_marker(target, place.classes, text)
        self.used.add(text.split("(")[0])
        lines = list(need.evidence)
        if place.inherited:
            lines.append(f"{need.names[-1]} is inherited (from {place.inherited}), so the class {need.names[-2]} is marked, with all its tests")
        told = self.evidence.setdefault(place.module.source.path, [])
        told += [(line, f"{printable(evidence, 900)}") for evidence in lines]

    def remove(self, key: Key, why: str) -> None:
        place = locate(self.scan, *key)
        if not isinstance(place.node, FUNCTIONS) or place.inherited:
            return
        found = [m for m in marks_on(place.module, place.node) if m.name in (self.marker, "parallel_unsafe")]
        found = [m for m in found if m.node in place.node.decorator_list]
        if not found:
            return
        shown = "::".join((key[0],) + key[1])
        test = Test(place.module, place.module, tuple(place.classes), place.node)
        other = [row for row in self.scan.rows(test) if not row.finding.reason.small]
        if other:
            reason = other[0].finding
            self.notes.append(f"{shown}: {why}, but its marker stays: {reason.reason.text} ({reason.where})")
            return
        for mark in found:
            line = self._editor(place.module).remove_marker(place.node, mark.node)  # type: ignore[arg-type]
            told = self.evidence.setdefault(place.module.source.path, [])
            told.append((line, printable(f"{shown}: {mark.name} is no longer needed: {why}", 900)))

    def run(self, decisions: Decisions) -> None:
        for need in decisions.needs:
            try:
                self.add(need)
            except (NotFound, Refused, CannotParse) as error:
                self.notes.append(str(error))
        for key, why in decisions.unneeded:
            try:
                self.remove(key, why)
            except (NotFound, Refused, CannotParse) as error:
                self.notes.append(str(error))
        self.notes += decisions.notes

    def changes(self) -> List[FileChange]:
        found: List[FileChange] = []
        for path, editor in sorted(self.editors.items()):
            if not editor.changes:
                continue
            try:
                after = editor.result()
            except Refused as error:
                self.notes.append(str(error))
                continue
            if self._leaves_pytest_unused(editor):
                self.notes.append(f"{editor.source.shown}: nothing uses its import of pytest any more")
            evidence = [text for _, text in sorted(self.evidence[path], key=lambda e: e[0])]
            relative = os.path.relpath(path, self.scan.project.root)
            found.append(FileChange(path, relative, editor.source.data, after, evidence))
        if found and self.used:
            change, notes = register(self.scan.project.root, sorted(self.used))
            self.notes += notes
            if change is not None:
                found.append(change)
        return found

    @staticmethod
    def _leaves_pytest_unused(editor: Editor) -> bool:
        if "pytest" not in bound_names(editor.expected.body):
            return False
        return not any(isinstance(n, ast.Name) and n.id == "pytest" for n in ast.walk(editor.expected))


def _apply(changes: List[FileChange], root: str) -> int:
    status = 0
    for change in changes:
        try:
            write(change, root)
        except CannotWrite as error:
            print(f"shunt: {error}", file=sys.stderr)
            status = 3
            continue
        print(f"{'changed' if change.before is not None else 'created'} {printable(change.relative)}")
        for line in change.evidence:
            print(f"  {printable(line, 1000)}")
    return status


def mark_main(options: argparse.Namespace) -> int:
    marker = options.marker
    if not (marker.isascii() and marker.isidentifier()) or keywords.iskeyword(marker):
        print(f'shunt: --marker: "{printable(marker)}": expected a name such as parallel_unsafe', file=sys.stderr)
        return 4
    try:
        measured = document.read(options.source)
    except document.BadDocument as error:
        print(f"shunt: {printable(error, 1000)}", file=sys.stderr)
        return 4
    except OSError as error:
        print(f"shunt: --from: {printable(options.source)}: {printable(error.strerror or error)}", file=sys.stderr)
        return 4
    marking = Marking(measured.root, marker)
    marking.run(decide(measured.tests))
    changes = marking.changes()
    status = 0
    if options.write:
        status = _apply(changes, marking.scan.project.root)
    else:
        sys.stdout.flush()
        for change in changes:
            sys.stdout.buffer.write(diff(change))
    sys.stdout.flush()
    for note in marking.scan.project.complaints + marking.notes:
        print(f"shunt: {printable(note, 1000)}", file=sys.stderr)
    if not changes:
        marked = f"; {marking.already} marked already" if marking.already else ""
        print(f"shunt: nothing to change: {len(measured.tests)} tests measured{marked}", file=sys.stderr)
    elif not options.write:
        count = len(changes)
        print(f'shunt: changes {count} file{"s" if count != 1 else ""}; to apply: shunt mark --write, or patch -p1', file=sys.stderr)
    return status
