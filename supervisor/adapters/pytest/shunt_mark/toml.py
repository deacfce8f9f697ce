# SPDX-License-Identifier: MIT
"""As much TOML as it takes to find one table's values in pyproject.toml by position, and to add a string to an array with
every other byte kept. Python's own parser, where it has one (3.11), confirms what was found and what was written."""
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

try:
    import tomllib
except ImportError:  # before 3.11
    tomllib = None  # type: ignore[assignment]

BARE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
MAX_NESTING = 50


class BadToml(Exception):
    """Not understood, at a line."""


class Value(NamedTuple):
    start: int
    end: int
    kind: str  # "string", "array", "other"
    text: str  # of a string
    items: List["Value"]  # type: ignore[misc]  # of an array


class Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, what: str) -> BadToml:
        return BadToml(f"line {self.text.count(chr(10), 0, self.at) + 1}: {what}")

    def peek(self, count: int = 1) -> str:
        return self.text[self.at : self.at + count]

    def blanks(self, newlines: bool) -> None:
        while self.at < len(self.text):
            c = self.text[self.at]
            if c in " \t" or (newlines and c in "\r\n"):
                self.at += 1
            elif c == "#" and newlines:
                self.line_end()
            else:
                return

    def line_end(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def key(self) -> Tuple[str, ...]:
        parts: List[str] = []
        while True:
            self.blanks(False)
            if self.peek() in ('"', "'") and self.peek():
                parts.append(self.string().text)
            else:
                start = self.at
                while self.peek() in BARE and self.peek():
                    self.at += 1
                if start == self.at:
                    raise self.fail("expected a key")
                parts.append(self.text[start : self.at])
            self.blanks(False)
            if self.peek() != ".":
                return tuple(parts)
            self.at += 1

    def string(self) -> Value:
        start = self.at
        quote = self.peek(3) if self.peek(3) in ('"""', "'''") else self.peek()
        self.at += len(quote)
        out: List[str] = []
        while self.at < len(self.text):
            if self.peek(len(quote)) == quote:
                self.at += len(quote)
                while len(quote) == 3 and self.peek() == quote[0]:
                    self.at += 1
                return Value(start, self.at, "string", "".join(out), [])
            c = self.peek()
            if c == "\n" and len(quote) == 1:
                break
            if c == "\\" and quote[0] == '"':
                out.append(ESCAPES.get(self.text[self.at + 1 : self.at + 2], "?"))
                self.at += 2
                continue
            out.append(c)
            self.at += 1
        self.at = start
        raise self.fail("a string without an end")

    def value(self, depth: int = 0) -> Value:
        if depth > MAX_NESTING:
            raise self.fail("nested too deeply")
        start, c = self.at, self.peek()
        if c and c in "\"'":
            return self.string()
        if c == "[":
            return self.array(depth)
        if c == "{":
            return self.inline_table(depth)
        while self.peek() and self.peek() not in ",]}#\r\n":
            self.at += 1
        if start == self.at:
            raise self.fail("expected a value")
        return Value(start, self.at, "other", self.text[start : self.at].strip(), [])

    def array(self, depth: int) -> Value:
        start, items = self.at, []  # type: int, List[Value]
        self.at += 1
        while True:
            self.blanks(True)
            if self.peek() == "]":
                self.at += 1
                return Value(start, self.at, "array", "", items)
            items.append(self.value(depth + 1))
            self.blanks(True)
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != "]":
                raise self.fail("expected , or ] in an array")

    def inline_table(self, depth: int) -> Value:
        start = self.at
        self.at += 1
        while True:
            self.blanks(True)
            if self.peek() == "}":
                self.at += 1
                return Value(start, self.at, "other", "", [])
            self.key()
            if self.peek() != "=":
                raise self.fail("expected =")
            self.at += 1
            self.blanks(False)
            self.value(depth + 1)
            self.blanks(True)
            if self.peek() == ",":
                self.at += 1
            elif self.peek() != "}":
                raise self.fail("expected , or } in a table")


class Table(NamedTuple):
    values: Dict[str, Value]
    end: int  # where another key may be added: after the last value's line
    own_header: bool  # under a [header] of its own


def find(text: str, wanted: Tuple[str, ...]) -> Optional[Table]:
    """A table by its name; None where the document has none. Raises BadToml."""
    reader = Reader(text)
    header: Tuple[str, ...] = ()
    values: Dict[str, Value] = {}
    end, own, seen = 0, False, False
    while True:
        reader.blanks(True)
        if reader.at >= len(text):
            break
        if reader.peek() == "[":
            double = reader.peek(2) == "[["
            reader.at += 2 if double else 1
            header = reader.key()
            reader.at += 2 if double else 1
            reader.line_end()
            if header[: len(wanted)] == wanted:
                seen = True
            if header == wanted and not double:
                own, end = True, reader.at
            continue
        key = header + reader.key()
        if reader.peek() != "=":
            raise reader.fail("expected =")
        reader.at += 1
        reader.blanks(False)
        value = reader.value()
        reader.line_end()
        if key[: len(wanted)] == wanted or wanted[: len(key)] == key:
            seen = True
        if len(key) == len(wanted) + 1 and key[:-1] == wanted:
            values[key[-1]] = value
            if header == wanted:
                end = reader.at
    return Table(values, end, own) if seen else None


def quote(entry: str) -> str:
    return '"' + entry.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _append(text: str, value: Value, entry: str, newline: str) -> str:
    if not value.items:
        return text[: value.end - 1].rstrip(" \t") + quote(entry) + text[value.end - 1 :]
    last = value.items[-1]
    reader = Reader(text)
    reader.at = last.end
    reader.blanks(True)
    comma = reader.peek() == ","
    if "\n" not in text[last.end : value.end]:
        end = reader.at if comma else last.end
        return text[:end] + ", " + quote(entry) + text[end:]
    line_start = text.rfind("\n", 0, last.start) + 1
    lead = text[line_start : last.start]
    indentation = lead if not lead.strip() else "    "
    place = reader.at + 1 if comma else last.end
    reader.at = place
    reader.line_end()
    end = reader.at - (1 if text[reader.at - 1] == "\r" else 0)
    return text[:place] + ("" if comma else ",") + text[place:end] + newline + indentation + quote(entry) + "," + text[end:]


def _plain(text: str) -> Any:
    return tomllib.loads(text.replace("\r\n", "\n"))


def _confirm(before: str, after: str, table: Tuple[str, ...], key: str, entry: str) -> bool:
    """`after` says what `before` said, and the entry."""
    if tomllib is None:
        found = find(after, table)
        return found is not None and key in found.values and found.values[key].items[-1].text == entry
    try:
        old, new = _plain(before), _plain(after)
    except tomllib.TOMLDecodeError:
        return False
    node = old
    for name in table:
        node = node.setdefault(name, {})
    node.setdefault(key, []).append(entry)
    return bool(old == new)


def add(text: str, table: Tuple[str, ...], key: str, entry: str) -> str:
    """The text with one more string in an array; table and key are made where they are missing. Raises BadToml."""
    newline = "\r\n" if "\r\n" in text else "\n"
    found = find(text, table)
    if found is None:
        lead = text if not text or text.endswith("\n") else text + newline
        gap = newline if lead.strip() else ""
        after = f"{lead}{gap}[{'.'.join(table)}]{newline}{key} = [{newline}    {quote(entry)},{newline}]{newline}"
    elif key in found.values:
        if found.values[key].kind != "array":
            raise BadToml(f"{key} is no array")
        after = _append(text, found.values[key], entry, newline)
    elif found.own_header:
        end = found.end - (1 if found.end and text[found.end - 1] == "\r" else 0)
        after = f"{text[:end]}{newline}{key} = [{newline}    {quote(entry)},{newline}]{text[end:] or newline}"
    else:
        raise BadToml(f"[{'.'.join(table)}] is written in another form")
    if not _confirm(text, after, table, key, entry):
        raise BadToml(f"{key} could not be added without another change")
    return after
