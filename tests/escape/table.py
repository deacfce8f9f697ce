# SPDX-License-Identifier: MIT
"""Reads the table of attempts."""
import pathlib
import re
import typing

HERE = pathlib.Path(__file__).resolve().parent
POLICIES = ("observe", "standard", "hardened", "container")
USERS = ("root", "ordinary")
WORDS = ("refused", "contained", "open", "works")
VERDICTS = ("tasks", "memory", "timeout")
GROUPS = {"rights": "EPERM EACCES ENOSYS", "unseen": "ESRCH ENOENT", "none": ""}
COLUMNS = ("row", "attack", "setup", "guard", "bare", "errnos", *POLICIES)


class Row(typing.NamedTuple):
    name: str
    section: str
    attack: typing.List[str]
    setup: typing.List[str]
    in_run: bool
    guard: typing.FrozenSet[str]
    bare: str
    errnos: typing.FrozenSet[str]
    expect: typing.Dict[str, typing.Tuple[str, str]]
    why: str

    def expected(self, policy, user):
        return self.expect[policy][USERS.index(user)] if policy in self.expect else "open"

    def can_bare(self, user):
        return self.bare.rstrip("?") in ("both", "root" if user == "root" else "user")

    @property
    def is_drill(self):
        return self.attack == ["drill"]


def errnos_of(text):
    return frozenset(e for word in text.split() for e in GROUPS.get(word, word).split())


def cell_of(text, where):
    both = tuple(part.strip() for part in text.split("/"))
    both = both * 2 if len(both) == 1 else both
    for part in both:
        if any(word not in WORDS + VERDICTS for word in part.split(",")) or len(both) != 2:
            raise ValueError(f"{where}: no expectation: {text!r}")
    return both


def row_of(fields, section, where):
    if not len(COLUMNS) <= len(fields) <= len(COLUMNS) + 1:
        raise ValueError(f"{where}: {len(fields)} columns, not {len(COLUMNS)} and a reason")
    name, attack, setup, guard, bare, errnos = fields[:6]
    why = fields[len(COLUMNS)] if len(fields) > len(COLUMNS) else ""
    if bare.rstrip("?") not in ("both", "root", "user", "no") or (bare == "no" and not why):
        raise ValueError(f"{where}: {name}: who can do it bare? And \"no\" needs a reason")
    words = [w for w in setup.split() if w != "none"]
    cells = fields[6 : len(COLUMNS)]
    return Row(
        name,
        section,
        attack.split(),
        [w for w in words if w != "run"],
        "run" in words,
        frozenset(guard.split()),
        bare,
        errnos_of(errnos),
        {policy: cell_of(cell, f"{where}: {name}") for policy, cell in zip(POLICIES, cells)},
        why,
    )


def read(path=HERE / "table"):
    rows, section = [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        elif line.strip() and not line.startswith("#"):
            rows.append(row_of([f.strip() for f in line.split("|")], section, f"{path.name}:{number}"))
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{path.name}: named twice: {', '.join(sorted(twice))}")
    return rows


def complaints_about(document, rows):
    """Rows that the threat model does not name, and names in it that are no rows. Only runs of `a-b` words count."""
    text = document.read_text()
    words = {w for w in re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", text) if w not in ("code", "run", "missing", "absent", "succeeded")}
    names = {row.name for row in rows}
    yield from (f"{document.name} does not name the row {name}" for name in sorted(names - words))
    yield from (f"{document.name}: there is no row {word}" for word in sorted(words - names))
