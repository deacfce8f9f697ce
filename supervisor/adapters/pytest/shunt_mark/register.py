# SPDX-License-Identifier: MIT
"""Markers that are used must be registered, so that plain pytest with --strict-markers takes them."""
import os
from typing import List, Optional, Tuple

from . import config as configs
from .patch import FileChange
from .source import printable

DESCRIPTIONS = {
    "shunt": "shunt(tasks=, memory=, timeout=, lane=, weight=): limits of this test under shunt, e.g. @pytest.mark.shunt(tasks=96)",
}
BUILT_IN = ("parallel_unsafe", "serial")


def description(marker: str) -> str:
    return DESCRIPTIONS.get(marker, f"{marker}: runs alone, in shunt's serial lane, e.g. @pytest.mark.{marker}")


def _target(root: str) -> configs.Config:
    """The configuration that is there; else pyproject.toml gets a table; else pytest.ini is made."""
    found = configs.find(root)
    if found.path:
        return found
    pyproject = os.path.join(root, "pyproject.toml")
    if os.path.exists(pyproject):
        return configs.Config(pyproject, None, configs.read_text(pyproject), {})
    return configs.Config(os.path.join(root, "pytest.ini"), "pytest", "", {})


def register(root: str, markers: List[str]) -> Tuple[Optional[FileChange], List[str]]:
    """(the change, notes). What cannot be edited is a note with the line to add."""
    notes: List[str] = []
    wanted = [("markers", description(m), m) for m in markers]
    wanted += [("shunt_serial_markers", m, m) for m in markers if m not in BUILT_IN + ("shunt",)]
    try:
        target = _target(root)
    except configs.BadConfig as error:
        return None, [f"{error}; add to markers there: {description(m)}" for m in markers]
    before, at = target, target
    evidence = []
    for key, entry, name in wanted:
        known = at.markers() if key == "markers" else at.names(key, [])
        if name in known:
            continue
        try:
            text = configs.add(at, key, entry)
        except configs.BadConfig as error:
            notes.append(f"{error}; add to {key} there: {entry}")
            continue
        values = dict(at.values)
        values[key] = values.get(key, []) + [entry]
        at = configs.Config(at.path, at.section, text, values)
        evidence.append(f"{at.name}: {key} gets {name}, {'for --strict-markers' if key == 'markers' else 'so that shunt knows it'}")
    if at.text == before.text:
        return None, notes
    path = os.path.realpath(at.path)
    if not path.startswith(root.rstrip("/") + "/"):
        return None, notes + [f"{printable(at.name)}: a link that leads out of {printable(root)}; register the markers by hand"]
    existed = os.path.exists(path)
    old = configs.read_text(path).encode("utf-8") if existed else None
    return FileChange(path, os.path.relpath(path, root), old, at.text.encode("utf-8"), evidence), notes
