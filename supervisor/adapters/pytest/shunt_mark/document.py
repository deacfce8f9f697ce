# SPDX-License-Identifier: MIT
"""The history document that `shunt mark` reads: checked field by field, bounded, and refused with the place and what was
expected. docs/parallel-safety.md shows one."""
import json
import os
import sys
from typing import Any, Dict, List, NamedTuple, Optional

from .source import printable

MAX_DOCUMENT = 64 << 20
MAX_TESTS = 500_000
MAX_TEXT = 8192
MAX_NUMBER = 1 << 53


class BadDocument(Exception):
    """Says where, and what was expected."""


class Incident(NamedTuple):
    verdict: str
    runs: int  # in the parallel lane, where the document tells them apart
    text: str
    limit: Optional[int]


class Measured(NamedTuple):
    """One test of the document."""

    id: str
    file: str
    runs: int  # in the parallel lane, where the document tells them apart
    incidents: List[Incident]
    peak_tasks: int
    peak_tasks_lane: str
    peak_memory: int
    serial_outcome: Optional[str]
    why: Optional[str]
    clean_runs: int
    limit: Optional[int]  # of tasks in the parallel lane, where the document says it

    @property
    def names(self) -> List[str]:
        """["C", "test_x"] of tests/a.py::C::test_x[1]; parameters may hold anything, so they go first."""
        rest = self.id[len(self.file) :].split("[", 1)[0]
        return [part for part in rest.split("::") if part]


class Document(NamedTuple):
    root: str
    tests: List[Measured]


def _text(owner: Dict[str, Any], key: str, place: str, optional: bool = False) -> Optional[str]:
    value = owner.get(key)
    if value is None and optional:
        return None
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        return value
    raise BadDocument(f"{place}.{key}: expected a text of at most {MAX_TEXT} characters")


def _number(owner: Dict[str, Any], key: str, place: str, default: Optional[int] = 0) -> Optional[int]:
    value = owner.get(key, default)
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_NUMBER:
        return value
    raise BadDocument(f"{place}.{key}: expected a whole number that is not negative")


def _file(entry: Dict[str, Any], place: str) -> str:
    file = _text(entry, "file", place) or ""
    parts = file.split("/")
    if not file or file.startswith("/") or "\0" in file or any(p in ("", ".", "..") for p in parts):
        raise BadDocument(f"{place}.file: expected a path below the root, without . and ..")
    return file


def _incidents(entry: Dict[str, Any], place: str) -> List[Incident]:
    given = entry.get("incidents", [])
    if not isinstance(given, list) or len(given) > 1000:
        raise BadDocument(f"{place}.incidents: expected a list")
    found = []
    for at, item in enumerate(given):
        here = f"{place}.incidents[{at}]"
        if not isinstance(item, dict):
            raise BadDocument(f"{here}: expected an object")
        found.append(
            Incident(
                _text(item, "verdict", here) or "",
                _number(item, "parallel_runs", here) or _number(item, "runs", here, 1) or 0,
                _text(item, "text", here, True) or "",
                _number(item, "limit", here, None) or None,
            )
        )
    return found


def _test(entry: Any, at: int, limit: Optional[int]) -> Measured:
    place = f"tests[{at}]"
    if not isinstance(entry, dict):
        raise BadDocument(f"{place}: expected an object")
    file = _file(entry, place)
    name = _text(entry, "id", place) or ""
    if not name.startswith(file + "::"):
        raise BadDocument(f"{place}.id: expected an id that begins with its file and ::")
    return Measured(
        name,
        file,
        _number(entry, "parallel_runs", place) or _number(entry, "runs", place) or 0,
        _incidents(entry, place),
        _number(entry, "peak_tasks", place) or 0,
        _text(entry, "peak_tasks_lane", place, True) or "",
        _number(entry, "peak_memory_bytes", place) or 0,
        _text(entry, "serial_outcome", place, True),
        _text(entry, "why", place, True),
        _number(entry, "clean_runs", place) or 0,
        _number(entry, "limit", place, None) or limit,
    )


def _is_program(entry: Any) -> bool:
    """One of ctest's, of a list of commands...: the history of a root keeps them all, and only pytest's have markers."""
    file, name = (entry.get("file"), entry.get("id")) if isinstance(entry, dict) else (None, None)
    if not isinstance(file, str) or not isinstance(name, str):
        return False
    return file == name or not file.endswith(".py") and not name.startswith(file + "::")


def parse(data: bytes) -> Document:
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"no JSON: {printable(error)}") from None
    if not isinstance(document, dict) or document.get("schema") != 1 or isinstance(document.get("schema"), bool):
        raise BadDocument('expected an object with "schema": 1')
    root = _text(document, "root", "document") or ""
    if not root.startswith("/") or "\0" in root or not os.path.isdir(root):
        raise BadDocument(f"root: {printable(root)}: expected the absolute path of a folder that exists")
    tests = document.get("tests")
    if not isinstance(tests, list) or len(tests) > MAX_TESTS:
        raise BadDocument("tests: expected a list")
    limit = _number(document, "limit", "document", None) or None
    found = [_test(entry, at, limit) for at, entry in enumerate(tests) if not _is_program(entry)]
    return Document(os.path.realpath(root), found)


def read(path: str) -> Document:
    """From a file, or from stdin where the path is "-". Raises BadDocument and OSError."""
    shown = "standard input" if path == "-" else printable(path)
    if path == "-":
        data = sys.stdin.buffer.read(MAX_DOCUMENT + 1)
    else:
        with open(path, "rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise BadDocument(f"{shown}: larger than {MAX_DOCUMENT >> 20} MiB")
    try:
        return parse(data)
    except BadDocument as error:
        raise BadDocument(f"{shown}: {error}") from None
