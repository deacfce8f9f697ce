# SPDX-License-Identifier: MIT
"""INI files as pytest reads them (iniconfig): a section's values, and one more entry in a list, all other lines kept."""
from typing import Dict, List, Optional, Tuple


def _section(lines: List[str], name: str) -> Optional[Tuple[int, int]]:
    """(line after the header, end) of a section."""
    start = None
    for number, line in enumerate(lines):
        text = line.strip()
        if line[:1] == "[" and text.split("#")[0].split(";")[0].rstrip().endswith("]"):
            if start is not None:
                return start, number
            if text.split("#")[0].split(";")[0].strip()[1:-1] == name:
                start = number + 1
    return None if start is None else (start, len(lines))


def _is_comment(line: str) -> bool:
    return line.lstrip()[:1] in ("#", ";")


def _split_key(line: str) -> Optional[Tuple[str, str]]:
    """("markers", "first value") of a line that begins a key."""
    if not line.strip() or line[0].isspace() or _is_comment(line):
        return None
    places = [at for at in (line.find("="), line.find(":")) if at > 0]
    if not places:
        return None
    return line[: min(places)].strip(), line[min(places) + 1 :].strip()


def _key(lines: List[str], span: Tuple[int, int], key: str) -> Optional[Tuple[int, int]]:
    """(line of the key, line after its last continuation)."""
    for number in range(*span):
        found = _split_key(lines[number])
        if found is None or found[0] != key:
            continue
        end = number + 1
        for after in range(number + 1, span[1]):
            if _split_key(lines[after]) is not None:
                break
            if lines[after].strip() and lines[after][0].isspace() and not _is_comment(lines[after]):
                end = after + 1
        return number, end
    return None


def values(text: str, section: str) -> Optional[Dict[str, List[str]]]:
    """Each key's lines; None without that section."""
    lines = text.splitlines()
    span = _section(lines, section)
    if span is None:
        return None
    found: Dict[str, List[str]] = {}
    for number in range(*span):
        split = _split_key(lines[number])
        if split is None or split[0] in found:
            continue
        place = _key(lines, span, split[0])
        assert place is not None
        rest = [line.strip() for line in lines[place[0] + 1 : place[1]] if line.strip() and not _is_comment(line)]
        found[split[0]] = ([split[1]] if split[1] else []) + rest
    return found


def add(text: str, section: str, key: str, entry: str) -> str:
    """The text with one more line in a list; the section exists."""
    lines = text.splitlines(keepends=True)
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    span = _section(lines, section)
    assert span is not None
    place = _key(lines, span, key)
    if place is None:
        end = span[1]
        while end > span[0] and not lines[end - 1].strip():
            end -= 1
        new = [key + " =" + newline, "    " + entry + newline]
    else:
        end = place[1]
        last = lines[end - 1]
        indentation = last[: len(last) - len(last.lstrip())] if end - 1 > place[0] else "    "
        new = [indentation + entry + newline]
    if end and not lines[end - 1].endswith(("\n", "\r")):
        lines[end - 1] += newline
    return "".join(lines[:end] + new + lines[end:])
