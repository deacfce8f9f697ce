# SPDX-License-Identifier: MIT
"""Markers put on and taken off by whole lines at the syntax tree's positions. What comes out is parsed again, and must be the
tree that was there with exactly those decorators and that import; anything else refuses the file."""
import ast
import codecs
import os
import sys
from typing import List, NamedTuple, Optional, Set, Tuple, Union

from .source import FUNCTIONS, CannotParse, Function, Source, dotted, parse, statements

Target = Union[Function, ast.ClassDef]
BELOW = {"staticmethod", "classmethod", "property"}


class Refused(Exception):
    """Why a file or a target is left alone."""


class Change(NamedTuple):
    """Lines first..last (counted from 1) become `text`; last = first - 1 inserts before `first`."""

    first: int
    last: int
    text: bytes


def bound_names(body: List[ast.stmt], skip: Optional[ast.stmt] = None) -> Set[str]:
    """Names that a block's statements bind."""
    found: Set[str] = set()
    for node in statements(body):
        if node is skip:
            continue
        if isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(a.asname or a.name.split(".")[0] for a in node.names)
        else:
            for field in ("targets", "target", "items"):
                value = getattr(node, field, None) or []
                for part in value if isinstance(value, list) else [value]:
                    found.update(n.id for n in ast.walk(part) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    return found


def _pytest_aliases(tree: ast.Module) -> List[Tuple[ast.stmt, str, str]]:
    """(statement, name that it binds, "NAME.mark" or "NAME") for imports that always run."""
    found = []
    for node in tree.body:
        for inner in node.body if isinstance(node, ast.Try) else [node]:
            if isinstance(inner, ast.Import):
                for a in inner.names:
                    if a.name == "pytest":
                        found.append((inner, a.asname or "pytest", f"{a.asname or 'pytest'}.mark"))
            elif isinstance(inner, ast.ImportFrom) and inner.module == "pytest" and not inner.level:
                for a in inner.names:
                    if a.name == "mark":
                        found.append((inner, a.asname or "mark", a.asname or "mark"))
    return found


class Editor:
    """Changes to one file, collected, then applied and checked at once."""

    def __init__(self, source: Source, project_modules: Set[str]) -> None:
        self.source = source
        self.own = project_modules  # top-level names that are the project's: sorted behind third parties
        self.changes: List[Change] = []
        self.expected = parse(source.data, source.shown)
        self.imported = False

    def _first_line(self, node: Target, below: int) -> int:
        decorators = node.decorator_list
        at = decorators[below].lineno if below < len(decorators) else node.lineno
        return self.source.logical_of(at)[0]

    def _twin(self, node: Target) -> Target:
        """The same node in the tree that the result is compared with."""
        for twin in ast.walk(self.expected):
            if type(twin) is type(node) and (twin.lineno, twin.col_offset) == (node.lineno, node.col_offset):  # type: ignore[attr-defined]
                return twin  # type: ignore[return-value]
        raise Refused(f"{self.source.shown}:{node.lineno}: the definition was not found again")

    def _prefix(self, first: int, classes: List[ast.ClassDef]) -> str:
        hidden = {name for klass in classes for name in bound_names(klass.body)}
        for node, name, prefix in _pytest_aliases(self.source.tree):
            elsewhere = name in bound_names(self.source.tree.body, skip=node) and not self._bound_to_pytest(name)
            if (node.end_lineno or node.lineno) < first and not elsewhere and name not in hidden:
                return prefix
        if "pytest" in hidden or ("pytest" in bound_names(self.source.tree.body) and not self._bound_to_pytest("pytest")):
            raise Refused(f"{self.source.shown}:{first}: the name pytest means something else here")
        self._add_import()
        return "pytest.mark"

    def _bound_to_pytest(self, name: str) -> bool:
        """All bindings of a name in the module are imports of pytest, those for type checkers included."""
        for node in statements(self.source.tree.body):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for a in node.names:
                    if (a.asname or a.name.split(".")[0]) == name:
                        module = a.name if isinstance(node, ast.Import) else f"{node.module}.{a.name}"
                        if module not in ("pytest", "pytest.mark"):
                            return False
            elif isinstance(node, FUNCTIONS + (ast.ClassDef,)):
                if node.name == name:
                    return False
            elif name in bound_names([node]) - _below(node):
                return False
        return True

    def add_marker(self, node: Target, classes: List[ast.ClassDef], marker: str) -> int:
        """Returns the line that the marker is put before. Raises Refused and CannotParse."""
        names = [(dotted(d) or [""])[-1] for d in node.decorator_list]
        below = max([i + 1 for i, name in enumerate(names) if name in BELOW] or [0])
        first = self._first_line(node, below)
        prefix = self._prefix(first, classes)
        text = f"@{prefix}.{marker}".encode("ascii")
        lead = self.source.indentation(first).replace(b"\f", b"") if node.col_offset else b""
        self.changes.append(Change(first, first - 1, lead + text + self.source.newline))
        expression = ast.parse(text[1:], mode="eval").body
        self._twin(node).decorator_list.insert(below, expression)
        return first

    def remove_marker(self, node: Target, decorator: ast.expr) -> int:
        first, last = self.source.logical_of(decorator.lineno)
        text = b"".join(self.source.lines[first - 1 : last])
        if b"#" in text:
            raise Refused(f"{self.source.shown}:{first}: this marker has a comment: remove it by hand")
        self.changes.append(Change(first, last, b""))
        twin = self._twin(node)
        at = node.decorator_list.index(decorator)
        twin.decorator_list[at] = ast.Constant(None)  # taken out by check(), so that the other indices stay
        twin.decorator_list[at]._shunt_removed = True  # type: ignore[attr-defined]
        return first

    # ---- the import ------------------------------------------------------------------------

    def _add_import(self) -> None:
        if self.imported:
            return
        self.imported = True
        body = self.source.tree.body
        start = 0
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            if isinstance(body[0].value.value, str):
                start = 1
        while start < len(body) and isinstance(body[start], ast.ImportFrom) and body[start].module == "__future__":  # type: ignore[attr-defined]
            start += 1
        end = start
        while end < len(body) and isinstance(body[end], (ast.Import, ast.ImportFrom)):
            end += 1
        index, change = self._among(start, end) if end > start else (start, self._before_code(start))
        self.changes.append(change)
        self.expected.body.insert(index, ast.parse("import pytest").body[0])

    def _among(self, start: int, end: int) -> Tuple[int, Change]:
        """In the block of imports: third parties stand behind the standard library, and before the project's own."""
        body, newline = self.source.tree.body, self.source.newline
        at = start
        while at < end and _is_standard(body[at]):
            at += 1
        paragraph_breaks = at > start and at < end and self._gap_between(body[at - 1], body[at])
        if at == end or (at > start and not paragraph_breaks):
            last = self.source.logical_of(body[at - 1].end_lineno or body[at - 1].lineno)[1]
            blank = newline if at == end else b""
            return at, Change(last + 1, last, blank + b"import pytest" + newline)
        first_own = self._is_own(body[at])
        while at < end and isinstance(body[at], ast.Import) and body[at].names[0].name < "pytest" and not self._is_own(body[at]):  # type: ignore[attr-defined]
            at += 1
            if at < end and self._gap_between(body[at - 1], body[at]):
                break
        if at > start and not first_own and (at == end or self._gap_between(body[at - 1], body[at])) and not _is_standard(body[at - 1]):
            last = self.source.logical_of(body[at - 1].end_lineno or body[at - 1].lineno)[1]
            return at, Change(last + 1, last, b"import pytest" + newline)
        first = self.source.logical_of(body[at].lineno)[0]
        blank = newline if first_own else b""
        return at, Change(first, first - 1, b"import pytest" + newline + blank)

    def _gap_between(self, before: ast.stmt, after: ast.stmt) -> bool:
        lines = self.source.lines[(before.end_lineno or before.lineno) : after.lineno - 1]
        return any(not line.strip() for line in lines)

    def _is_own(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.ImportFrom):
            return bool(node.level) or (node.module or "").split(".")[0] in self.own
        return isinstance(node, ast.Import) and node.names[0].name.split(".")[0] in self.own

    def _before_code(self, start: int) -> Change:
        """There is no import yet: below docstring and __future__, above the comments that belong to the first definition."""
        newline, body, lines = self.source.newline, self.source.tree.body, self.source.lines
        if start:
            last = self.source.logical_of(body[start - 1].end_lineno or body[start - 1].lineno)[1]
            return Change(last + 1, last, newline + b"import pytest" + newline)
        node = body[0]
        decorators = getattr(node, "decorator_list", [])
        first = self.source.logical_of(decorators[0].lineno if decorators else node.lineno)[0]
        above = first
        while above > 1 and lines[above - 2].lstrip().startswith(b"#"):
            above -= 1
        # The first two lines may be the interpreter, the encoding, or a licence.
        place = above if above > 2 or above == first else first
        gap = newline * (2 if isinstance(node, FUNCTIONS + (ast.ClassDef,)) else 1)
        return Change(place, place - 1, b"import pytest" + newline + gap)

    # ---- the result ------------------------------------------------------------------------

    def result(self) -> bytes:
        """Raises Refused when the result is not exactly what was meant."""
        bom = codecs.BOM_UTF8 if self.source.data.startswith(codecs.BOM_UTF8) else b""
        lines = list(self.source.lines)
        if bom:
            lines[0] = lines[0][len(bom) :]
        # From the end. Of two insertions at one line the one that was asked for first (an import) comes out in front.
        for change in sorted(self.changes[::-1], key=lambda c: (c.first, c.last >= c.first), reverse=True):
            if change.first > len(lines) and lines and not lines[-1].endswith((b"\n", b"\r")):
                lines[-1] += self.source.newline
            lines[change.first - 1 : change.last] = [change.text]
        data = bom + b"".join(lines)
        try:
            got = ast.dump(parse(data, self.source.shown))
            for node in ast.walk(self.expected):
                if hasattr(node, "decorator_list"):
                    node.decorator_list = [d for d in node.decorator_list if not hasattr(d, "_shunt_removed")]
            expected = ast.dump(self.expected)
        except CannotParse as error:
            raise Refused(f"{error} (after the change; the file is left as it is)") from None
        except RecursionError:
            raise Refused(f"{self.source.shown}:1: nested too deeply to be checked; left as it is") from None
        if got != expected:
            raise Refused(f"{self.source.shown}:1: the change would alter more than markers; the file is left as it is")
        return data


def _below(node: ast.stmt) -> Set[str]:
    """What the statements inside a compound statement bind; they are looked at on their own."""
    inner = [n for field in ("body", "orelse", "finalbody") for n in getattr(node, field, None) or []]
    for handler in getattr(node, "handlers", None) or getattr(node, "cases", None) or []:
        inner += handler.body
    return bound_names(inner)


def _is_standard(node: ast.stmt) -> bool:
    name = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
    if isinstance(node, ast.Import):
        name = node.names[0].name
    if not name:
        return False
    known = getattr(sys, "stdlib_module_names", None) or STANDARD
    return name.split(".")[0] in known


# Where Python does not have the list (before 3.10): what tests import most.
STANDARD = set(sys.builtin_module_names) | {
    "abc", "argparse", "ast", "asyncio", "base64", "collections", "concurrent", "contextlib", "copy", "csv", "ctypes",
    "dataclasses", "datetime", "decimal", "enum", "functools", "glob", "hashlib", "html", "http", "importlib", "inspect",
    "io", "json", "logging", "math", "multiprocessing", "operator", "os", "pathlib", "pickle", "platform", "queue",
    "random", "re", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "statistics", "string", "struct",
    "subprocess", "tempfile", "textwrap", "threading", "traceback", "types", "typing", "unittest", "urllib", "uuid",
    "warnings", "weakref", "xml", "zipfile", "zlib",
}  # fmt: skip


def top_level_names(root: str) -> Set[str]:
    """Packages and modules of the project, and of its src/."""
    found: Set[str] = set()
    for folder in (root, os.path.join(root, "src")):
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        for entry in entries:
            stem = entry[:-3] if entry.endswith(".py") else entry
            if stem.isidentifier() and (entry.endswith(".py") or os.path.isdir(os.path.join(folder, entry))):
                found.add(stem)
    return found
