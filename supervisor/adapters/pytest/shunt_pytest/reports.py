# SPDX-License-Identifier: MIT
"""Reports and warnings on their way from a worker to the controller, as JSON that the supervisor never reads.

JSON has no tuples, and pytest's summaries insist on theirs, so tuples and what JSON cannot hold travel in tagged
form. Nothing is unpickled on arrival: a worker is not trusted.
"""
import json
import os
import sys
import warnings
from typing import Any, Dict, Iterator, List, Optional, Tuple

from pytest import TestReport

TUPLE = "\x00tuple"
OTHER = "\x00repr"
DEPTH = 100
SMALL = 4096  # bytes of all reports of a test that travel with its outcome
_dump = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
PAYLOAD_LIMIT = 64 << 20
TEXT_LIMIT = 128 << 10


def _encode(value: Any, depth: int = 0) -> Any:
    if value is None or value is True or value is False or isinstance(value, str):
        return value if type(value) in (str, bool, type(None)) else str(value)
    if isinstance(value, (int, float)) and type(value) in (int, float):
        return value
    if depth > DEPTH:
        return {OTHER: "(nested too deeply)"}
    if isinstance(value, list):
        return [_encode(v, depth + 1) for v in value]
    if isinstance(value, tuple):
        return {TUPLE: [_encode(v, depth + 1) for v in value]}
    if isinstance(value, dict):
        return {k if isinstance(k, str) else repr(k): _encode(v, depth + 1) for k, v in value.items()}
    try:
        return {OTHER: repr(value)[:TEXT_LIMIT]}
    except Exception:
        return {OTHER: f"<{type(value).__name__}>"}


class Opaque(str):
    """Stands for a value that could not travel; looks like its repr."""

    def __repr__(self) -> str:
        return str(self)


def _decode(value: Dict[str, Any]) -> Any:
    if len(value) == 1:
        if TUPLE in value:
            return tuple(value[TUPLE])
        if OTHER in value:
            return Opaque(value[OTHER])
    return value


def _cut(value: Any) -> Any:
    """Shortens long texts to head and tail, and says what is missing."""
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        missing = len(value) - TEXT_LIMIT
        half = TEXT_LIMIT // 2
        return f"{value[:half]}\n[shunt: {missing} characters are cut here]\n{value[-half:]}"
    if isinstance(value, list):
        return [_cut(v) for v in value]
    if isinstance(value, dict):
        return {k: _cut(v) for k, v in value.items()}
    return value


_decode_json = json.JSONDecoder(object_hook=_decode).decode

_STANDARD = frozenset(
    "nodeid location keywords outcome longrepr when user_properties sections duration start stop".split()
)
_TIMES = ("start", "stop")  # since pytest 8


def compact(report: Any, keywords: Dict[str, Any]) -> Optional[List[Any]]:
    """What most reports come to: a phase that passed, of the test that was asked for. None for any other."""
    d = report.__dict__
    if (
        type(report) is not TestReport
        or d["outcome"] != "passed"
        or d["longrepr"] is not None
        or d["user_properties"]
        or not _STANDARD.issuperset(d)
        or d["keywords"] != keywords
    ):
        return None
    return [d["when"], d["duration"], [list(s) for s in d["sections"]], [d.get(name) for name in _TIMES]]


def dumps_compact(found: List[Any]) -> bytes:
    """A payload of compact reports alone: there is nothing in it that JSON cannot hold."""
    data = _dump(found).encode("ascii")
    return data if len(data) <= PAYLOAD_LIMIT else dumps({"reports": found, "warnings": []})


def expand(data: List[Any], item: Any, keywords: Dict[str, Any]) -> TestReport:
    """The report that compact() saw. Raises ValueError or TypeError for what is none."""
    when, duration, sections, times = data
    if when not in ("setup", "call", "teardown") or type(duration) not in (float, int):
        raise ValueError("not a compact report")
    if not all(type(text) is str for section in sections for text in section):
        raise ValueError("sections hold text")
    extra = {name: float(time) for name, time in zip(_TIMES, times) if time is not None}
    return TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict(keywords),
        outcome="passed",
        longrepr=None,
        when=when,
        sections=[(title, text) for title, text in sections],
        duration=duration,
        user_properties=[],
        **extra,
    )


def dumps(content: Dict[str, Any]) -> bytes:
    encoded = _encode(content)
    data = json.dumps(encoded, separators=(",", ":")).encode("ascii")
    if len(data) > PAYLOAD_LIMIT:
        data = json.dumps(_cut(encoded), separators=(",", ":")).encode("ascii")
    if len(data) > PAYLOAD_LIMIT:
        data = json.dumps({"reports": [], "warnings": [], "lost": len(data)}).encode("ascii")
    return data


def loads(data: bytes) -> Dict[str, Any]:
    """Raises ValueError for anything that is no such payload."""
    try:
        content = _decode_json(data.decode("utf-8", "surrogatepass"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if isinstance(content, list):  # compact reports, and nothing else
        return {"reports": content}
    if not isinstance(content, dict):
        raise ValueError("not a reports payload")
    return content


def warning_to_data(message: warnings.WarningMessage, when: str, nodeid: str, location: Any) -> Dict[str, Any]:
    category = message.category
    return {
        "text": str(message.message),
        "module": getattr(category, "__module__", ""),
        "category": getattr(category, "__name__", ""),
        "filename": message.filename,
        "lineno": message.lineno,
        "when": when,
        "nodeid": nodeid,
        "location": location,
    }


def warning_from_data(data: Dict[str, Any]) -> warnings.WarningMessage:
    """Categories are looked up in loaded modules only: nothing is imported because a worker says so."""
    category = getattr(sys.modules.get(str(data.get("module"))), str(data.get("category")), None)
    if not (isinstance(category, type) and issubclass(category, Warning)):
        category = Warning
    text = str(data.get("text"))
    try:
        message = category(text)
    except Exception:
        category, message = Warning, Warning(text)
    if str(message) != text:  # its constructor makes something else of the text
        message = Warning(text)
    return warnings.WarningMessage(
        message=message, category=category, filename=str(data.get("filename")), lineno=int(data.get("lineno") or 0)
    )


def outcome_of(reports: List[Any]) -> str:
    """One word for all reports of a test, as the ledger has it."""
    outcome = "passed"
    for report in reports:
        if report.outcome == "failed":
            word = "failed" if report.when == "call" else "error"
        elif report.outcome == "skipped":
            word = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        elif report.when == "call" and hasattr(report, "wasxfail"):
            word = "xpassed"
        else:
            continue
        order = ["passed", "xpassed", "skipped", "xfailed", "error", "failed"]
        if order.index(word) > order.index(outcome):
            outcome = word
    return outcome


def decided(reports: List[Any]) -> bool:
    """Has the test an outcome already, when it (its teardown, a debugger that was left) ends the run?"""
    return any(report.when == "call" or report.outcome != "passed" for report in reports)


def cause_of(reports: List[Any]) -> Optional[str]:
    """One line: why it failed or was skipped."""
    for report in reports:
        if report.outcome not in ("failed", "skipped"):
            continue
        longrepr = report.longrepr
        if isinstance(longrepr, tuple) and len(longrepr) == 3:
            return str(longrepr[2])
        crash = getattr(longrepr, "reprcrash", None)
        text = str(crash.message) if crash is not None else str(longrepr)
        return next((line for line in text.splitlines() if line.strip()), "")
    return None


_LIBRARY = ("/site-packages/", "/dist-packages/")
_STDLIB = os.path.join(os.path.dirname(os.__file__), "")
CHAIN = 32  # exceptions of one failure that are looked at


def _chain(error: BaseException) -> Iterator[BaseException]:
    """It, its causes, what was being handled when it was raised, and what a group holds; each once, a few of them."""
    todo, seen = [error], set()
    while todo and len(seen) < CHAIN:
        current = todo.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = getattr(current, "exceptions", ())
        todo += [e for e in (current.__cause__, current.__context__) if e is not None]
        if isinstance(inner, tuple):
            todo += [e for e in inner if isinstance(e, BaseException)]


def _deepest_line(error: BaseException, root: str) -> str:
    """Of its traceback the innermost line of the project, else of anything that is no library."""
    project = other = ""
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        library = any(name in file for name in _LIBRARY)
        if file.startswith(root) and not library:
            project = f"{file[len(root):]}:{traceback.tb_lineno}"
        elif not library and not file.startswith((_STDLIB, "<")):
            other = f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return project or other


def os_error_of(error: BaseException, root: str) -> Optional[Tuple[int, str, bool]]:
    """Of the first error of the operating system behind a failure: its errno, the line that raised it, is it about a file?"""
    outer = ""
    root = os.path.join(root, "")
    for current in _chain(error):
        where = _deepest_line(current, root)
        outer = outer or where
        number = current.errno if isinstance(current, OSError) else None
        if type(number) is int and 0 < number < 4096 and (where or outer):
            return number, where or outer, getattr(current, "filename", None) is not None  # a socket has none
    return None


def text_of(reports: List[Any]) -> str:
    return "\n".join(str(r.longreprtext) for r in reports if r.outcome == "failed")
