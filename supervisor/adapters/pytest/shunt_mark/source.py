# SPDX-License-Identifier: MIT
"""One Python file: its bytes, its syntax tree, and where its logical lines begin and end.

Files are hostile: sizes are bounded, and whatever the parser makes of one is a CannotParse with a line."""
import ast
import io
import os
import stat
import tokenize
import warnings
from typing import Dict, Iterator, List, Optional, Tuple, Union

MAX_BYTES = 4 << 20
MAX_DEPTH = 200  # blocks inside each other, and nodes of an expression on the way to a call: more is generated
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


class CannotParse(Exception):
    """Says "file:line: ..."."""


def printable(text: object, limit: int = 300) -> str:
    """One line for a terminal, whatever was in it."""
    shown = "".join(c if c.isprintable() else "?" for c in str(text)[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "…"


def read_regular(path: str, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file; a FIFO or a device is an OSError, not a wait."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{printable(path)}: not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(f"{printable(path)}: larger than {limit >> 20} MiB")
    return data


def parse(data: bytes, shown: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except SyntaxError as error:
        raise CannotParse(f"{shown}:{error.lineno or 1}: cannot be parsed: {printable(error.msg)}") from None
    except RecursionError:
        raise CannotParse(f"{shown}:1: cannot be parsed: nested too deeply") from None
    except MemoryError:
        raise CannotParse(f"{shown}:1: cannot be parsed: nested too deeply, or too large") from None
    except (ValueError, LookupError, OverflowError) as error:  # NUL bytes, unknown or wrong encodings
        raise CannotParse(f"{shown}:1: cannot be parsed: {printable(error)}") from None


class Source:
    """A parsed file. `lines` end as they do in the file; line N of the tree is lines[N - 1]."""

    def __init__(self, path: str, shown: str, data: bytes) -> None:
        self.path = path
        self.shown = shown
        self.data = data
        self.tree = parse(data, shown)
        self.lines: List[bytes] = data.splitlines(keepends=True)
        self._logical: Optional[List[Tuple[int, int]]] = None

    @property
    def newline(self) -> bytes:
        first = self.lines[0] if self.lines else b"\n"
        for end in (b"\r\n", b"\n", b"\r"):
            if first.endswith(end):
                return end
        return b"\n"

    def logical_lines(self) -> List[Tuple[int, int]]:
        """(first, last) of each logical line that is not blank, counted from 1."""
        if self._logical is None:
            self._logical = list(self._tokenize())
        return self._logical

    def _tokenize(self) -> Iterator[Tuple[int, int]]:
        text = self.data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        skip = (tokenize.ENCODING, tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
        first = None
        try:
            for token in tokenize.tokenize(io.BytesIO(text).readline):
                if token.type == tokenize.NEWLINE:
                    if first is not None:
                        yield first, token.start[0]
                    first = None
                elif token.type not in skip and first is None:
                    first = token.start[0]
        except (tokenize.TokenError, SyntaxError, RecursionError, ValueError, LookupError) as error:
            raise CannotParse(f"{self.shown}:1: cannot be split into tokens: {printable(error)}") from None

    def logical_of(self, line: int) -> Tuple[int, int]:
        """The logical line that holds a physical one."""
        low, high = 0, len(self.logical_lines())
        lines = self.logical_lines()
        while low < high:
            middle = (low + high) // 2
            if lines[middle][1] < line:
                low = middle + 1
            else:
                high = middle
        if low < len(lines) and lines[low][0] <= line <= lines[low][1]:
            return lines[low]
        raise CannotParse(f"{self.shown}:{line}: no statement here, although the syntax tree has one")

    def indentation(self, line: int) -> bytes:
        text = self.lines[line - 1]
        return text[: len(text) - len(text.lstrip(b" \t\f"))]


def load(path: str, shown: str) -> Source:
    """Raises CannotParse for anything that is no Python, and OSError."""
    return Source(path, printable(shown), read_regular(path))


def statements(body: List[ast.stmt], depth: int = 0) -> Iterator[ast.stmt]:
    """Statements of a block and of the if, try, with and loops in it; not those of functions and classes."""
    if depth > MAX_DEPTH:
        return
    for node in body:
        yield node
        if isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, field, None) or [], depth + 1)
        for handler in getattr(node, "handlers", None) or getattr(node, "cases", None) or []:
            yield from statements(handler.body, depth + 1)


def dotted(node: ast.AST) -> Optional[List[str]]:
    """["a", "b", "c"] of a.b.c, else None."""
    names: List[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
        if len(names) > 32:
            return None
    if not isinstance(node, ast.Name):
        return None
    names.append(node.id)
    return names[::-1]


def decorator_lines(node: Union[Function, ast.ClassDef], source: Source) -> List[Tuple[int, int]]:
    return [source.logical_of(d.lineno) for d in node.decorator_list]


def definitions(body: List[ast.stmt]) -> Dict[str, List[ast.stmt]]:
    """Functions and classes of a block by name, in their order."""
    found: Dict[str, List[ast.stmt]] = {}
    for node in statements(body):
        if isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            found.setdefault(node.name, []).append(node)
    return found


def assignments(body: List[ast.stmt]) -> Dict[str, ast.expr]:
    """The last value that a block gives to each name."""
    found: Dict[str, ast.expr] = {}
    for node in statements(body):
        if isinstance(node, ast.Assign):
            found.update((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            found[node.target.id] = node.value
    return found
