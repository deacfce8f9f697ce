# SPDX-License-Identifier: MIT
"""pytest's configuration of a project: where it is (pytest's own precedence), and its lists."""
import os
from typing import Dict, List, NamedTuple, Optional, Tuple

from . import ini, toml
from .source import printable, read_regular

TABLE = ("tool", "pytest", "ini_options")
NATIVE = ("tool", "pytest")
# In pytest's order; what is here may be empty and still counts for the first two.
CANDIDATES: List[Tuple[str, Optional[str]]] = [
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("pyproject.toml", None),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
]
MAX_CONFIG = 1 << 20


class BadConfig(Exception):
    """Says "file: ..."."""


class Config(NamedTuple):
    path: str  # "" where there is none
    section: Optional[str]  # None: TOML
    text: str
    values: Dict[str, List[str]]

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    def names(self, key: str, default: List[str]) -> List[str]:
        """Words of a key that is a list of names."""
        return [w for line in self.values[key] for w in line.split()] if key in self.values else default

    def markers(self) -> List[str]:
        return [line.split(":", 1)[0].split("(", 1)[0].strip() for line in self.values.get("markers", [])]


def read_text(path: str) -> str:
    try:
        return read_regular(path, MAX_CONFIG).decode("utf-8")
    except UnicodeDecodeError:
        raise BadConfig(f"{printable(os.path.basename(path))}: not UTF-8") from None
    except OSError as error:
        raise BadConfig(f"{printable(os.path.basename(path))}: {printable(error.strerror or error)}") from None


def _toml_values(text: str) -> Optional[Dict[str, List[str]]]:
    if toml.find(text, TABLE) is None and toml.find(text, NATIVE) is not None:
        raise toml.BadToml("[tool.pytest] without ini_options is not understood")
    table = toml.find(text, TABLE)
    if table is None:
        return None
    found: Dict[str, List[str]] = {}
    for key, value in table.values.items():
        if value.kind == "array":
            found[key] = [item.text for item in value.items]
        else:
            found[key] = [line.strip() for line in value.text.splitlines() if line.strip()]
    return found


def _one(path: str, section: Optional[str]) -> Optional[Config]:
    text = read_text(path)
    try:
        values = _toml_values(text) if section is None else ini.values(text, section)
    except toml.BadToml as error:
        raise BadConfig(f"{os.path.basename(path)}: {error}") from None
    if values is None and os.path.basename(path).endswith("pytest.ini"):
        values = {}
    return None if values is None else Config(path, section, text, values)


def find(root: str) -> Config:
    """The configuration that pytest would take in this folder. Raises BadConfig."""
    for name in ("pytest.toml", ".pytest.toml"):
        if os.path.exists(os.path.join(root, name)):
            raise BadConfig(f"{name}: not understood")
    for name, section in CANDIDATES:
        path = os.path.join(root, name)
        if os.path.exists(path):
            found = _one(path, section)
            if found is not None:
                return found
    return Config("", None, "", {})


def root_of(path: str) -> str:
    """The nearest folder upwards that has a configuration, a version control directory or a setup.py; else the folder."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    at = folder
    while True:
        for name, _ in CANDIDATES:
            if os.path.exists(os.path.join(at, name)):
                return at
        if any(os.path.exists(os.path.join(at, name)) for name in (".git", ".hg", "setup.py")):
            return at
        if os.path.dirname(at) == at:
            return folder
        at = os.path.dirname(at)


def add(config: Config, key: str, entry: str) -> str:
    """The configuration's text with one more entry. Raises BadConfig."""
    try:
        if config.section is None:
            return toml.add(config.text, TABLE, key, entry)
        if ini.values(config.text, config.section) is None:
            gap = "\n" if config.text.strip() else ""
            lead = config.text if not config.text or config.text.endswith("\n") else config.text + "\n"
            return f"{lead}{gap}[{config.section}]\n{key} =\n    {entry}\n"
        after = ini.add(config.text, config.section, key, entry)
    except toml.BadToml as error:
        raise BadConfig(f"{config.name}: {error}") from None
    if (ini.values(after, config.section) or {}).get(key) != config.values.get(key, []) + [entry]:
        raise BadConfig(f"{config.name}: {key} could not be added without another change")
    return after
