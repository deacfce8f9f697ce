# SPDX-License-Identifier: MIT
"""What the supervisor is told about each test: lane, group, limits, names."""
import functools
import hashlib
import json
import re
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import pytest

from .channel import MAX_PAYLOAD, printable
from .ties import Ties

SERIAL_MARKERS = ["parallel_unsafe", "serial"]
MARKER_HELP = [
    "parallel_unsafe: runs alone, in shunt's serial lane",
    "serial: runs alone, in shunt's serial lane",
    "xdist_group(name): tests of one group run on one worker, in order",
    "serial_group(name): tests of one group run on one worker, in order",
    "shunt(lane=, tasks=, memory=, timeout=, slow=, grace=, weight=, retries=, locks=): where this test runs, and its own limits",
]
SIZE = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
TIME_MS = {"": 1000.0, "s": 1000.0, "ms": 1.0, "m": 60_000.0, "h": 3_600_000.0}


class BadMarker(Exception):
    """A marker argument that cannot be understood."""


def _count(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1 << 22:
        return value
    raise ValueError("a whole number from 1 to 4194304")


def _weight(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 4096:
        return value
    raise ValueError("a whole number of slots, from 1 to 4096")


def _memory(value: Any) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", str(value))
    if match and not isinstance(value, bool):
        size = int(float(match[1]) * SIZE[match[2]])
        if 1 << 20 <= size <= 1 << 50:
            return size
    raise ValueError('bytes or a size such as "512M", at least 1M')


def _timeout(value: Any) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|ms|m|h)?", str(value))
    if match and not isinstance(value, bool):
        time_ms = int(float(match[1]) * TIME_MS[match[2] or ""])
        if time_ms >= 1:
            return time_ms
    raise ValueError('seconds or a time such as "500ms", "2s", "1m"')


def _lane(value: Any) -> str:
    if value in ("parallel", "serial"):
        return str(value)
    raise ValueError('"parallel" or "serial"')


def _retries(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100:
        return value
    raise ValueError("a whole number from 0 to 100")


def _locks(value: Any) -> List[str]:
    names = [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple, set)) else []
    if 1 <= len(names) <= 16 and all(isinstance(name, str) and 1 <= len(name) <= 100 for name in names):
        return sorted(printable(name, 250) for name in set(names))
    raise ValueError("the name of a lock, or a list of at most 16")


ARGUMENTS = {
    "lane": ("lane", _lane),
    "tasks": ("tasks", _count),
    "memory": ("memory", _memory),
    "timeout": ("timeout_ms", _timeout),
    "slow": ("slow_ms", _timeout),
    "grace": ("grace_ms", _timeout),
    "weight": ("weight", _weight),
    "retries": ("retries", _retries),
    "locks": ("locks", _locks),
}


def read_shunt_marker(item: Any) -> Dict[str, Any]:
    """The arguments of all @pytest.mark.shunt of a test; the closest wins."""
    found: Dict[str, Any] = {}
    for mark in item.iter_markers("shunt"):
        if mark.args:
            raise BadMarker(f"{item.nodeid}: marker shunt{mark.args!r}: expected keyword arguments only")
        for name, value in mark.kwargs.items():
            if name not in ARGUMENTS:
                expected = ", ".join(ARGUMENTS)
                raise BadMarker(f"{item.nodeid}: marker shunt({name}=…): unknown argument {name!r}: expected {expected}")
            key, read = ARGUMENTS[name]
            try:
                checked = read(value)
            except ValueError as error:
                raise BadMarker(f"{item.nodeid}: marker shunt({name}={value!r}): expected {error}") from None
            if key == "locks":  # those of its class and module count as well
                checked = sorted({*checked, *found.get(key, [])})
                found[key] = checked
            found.setdefault(key, checked)
    return found


def _group(item: Any, dist: str, ties: Ties, names: Set[str]) -> Optional[str]:
    for marker in ("xdist_group", "serial_group"):
        mark = item.get_closest_marker(marker) if marker in names else None
        if mark is not None:
            name = mark.kwargs.get("name", mark.args[0] if mark.args else "default")
            return printable(str(name), 1024)
    if dist == "loadfile":
        return printable("file:" + item.nodeid.split("::", 1)[0], 4096)
    if dist == "loadscope":
        return printable("scope:" + item.nodeid.rsplit("::", 1)[0], 4096)
    tied = ties.group(item)
    return None if tied is None else printable(tied, 4096)


_PLAIN_ID = re.compile(r"([\w./-]+)\.py::([\w\[\].-]+)", re.ASCII)  # of a function: what is no character of XML is not in it


def _junit_names(nodeid: str) -> Tuple[str, str]:
    plain = _PLAIN_ID.fullmatch(nodeid)
    if plain:
        return plain[1].replace("/", "."), plain[2]
    try:
        from _pytest.junitxml import bin_xml_escape, mangle_test_address

        names = mangle_test_address(nodeid)
        return ".".join(names[:-1]), str(bin_xml_escape(names[-1]))
    except Exception:  # not a part of pytest's public interface
        file, _, name = nodeid.partition("::")
        return file, name


def describe(item: Any, serial_markers: List[str], dist: str, ties: Ties) -> Dict[str, Any]:
    names = {mark.name for mark in item.iter_markers()}
    own = read_shunt_marker(item) if "shunt" in names else {}
    lane = own.pop("lane", None)
    why = 'marker shunt(lane="serial")' if lane == "serial" else None
    if lane is None:
        marker = next((m for m in serial_markers if m in names), None)
        why = f"marker {marker}" if marker else ties.serial.why(item)
        lane = "serial" if why else "parallel"
    classname, name = _junit_names(item.nodeid)
    test = {
        "id": printable(item.nodeid),
        "file": printable(item.nodeid.split("::", 1)[0]),
        "classname": printable(classname),
        "name": printable(name),
        "lane": lane,
        **own,
    }
    if why:
        test["why"] = why
    group = _group(item, dist, ties, names)
    if group is not None:
        test["group"] = group
    return test


def _markers(item: Any) -> List[str]:
    names = {printable(mark.name, 250) for mark in item.iter_markers()}
    return sorted(names)[:64]


def packets(
    items: List[Any], serial_markers: List[str], dist: str, ties: Ties, markers: bool = False
) -> Iterator[Tuple[int, int, bytes]]:
    """(first index, count, JSON array) so that each array fits a payload."""
    first, texts, size = 0, [], 2  # type: int, List[bytes], int
    dump = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
    for index, item in enumerate(items):
        described = describe(item, serial_markers, dist, ties)
        if ties.copies > 1:
            described["group"] = f"each:{index * ties.copies // len(items)}"
        if markers:
            described["markers"] = _markers(item)
        text = dump(described).encode("ascii")
        if texts and size + len(text) + 1 > MAX_PAYLOAD:
            yield first, len(texts), b"[" + b",".join(texts) + b"]"
            first, texts, size = index, [], 2
        texts.append(text)
        size += len(text) + 1
    if texts:
        yield first, len(texts), b"[" + b",".join(texts) + b"]"


def share_locations(items: List[Any]) -> None:
    """pytest works out an item's location when its first report is made, in each process anew; for the cases of one function
    that is the same file and line. Here once for all, before workers are forked."""
    if not isinstance(vars(pytest.Item).get("location"), functools.cached_property):
        return
    usual: Dict[type, bool] = {}
    first: Optional[Any] = None
    for item in items:
        kind = type(item)
        if kind not in usual:
            usual[kind] = isinstance(item, pytest.Function) and all(
                getattr(kind, name) is getattr(pytest.Function, name) for name in ("location", "reportinfo", "getmodpath")
            )
        if not usual[kind]:
            first = None
            continue
        if first is None or item.parent is not first.parent or _function(item) is not _function(first):
            first = item
            continue
        path, line, domain = first.location
        if domain.endswith(first.name):
            vars(item).setdefault("location", (path, line, domain[: len(domain) - len(first.name)] + item.name))


def _function(item: Any) -> Any:
    return getattr(item.obj, "__func__", item.obj)


def digest(items: List[Any]) -> str:
    """Tells two collections apart."""
    sha = hashlib.sha256()
    for item in items:
        sha.update(item.nodeid.encode("utf-8", "backslashreplace") + b"\n")
    return sha.hexdigest()


def serial_markers(config: pytest.Config) -> List[str]:
    return SERIAL_MARKERS + [str(m) for m in config.getini("shunt_serial_markers")]
