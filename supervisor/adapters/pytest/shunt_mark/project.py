# SPDX-License-Identifier: MIT
"""The modules of a project, and what a name in one of them means: import aliases, re-exports, classes and their bases."""
import ast
import os
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from .source import FUNCTIONS, CannotParse, Source, assignments, definitions, dotted, load, printable

MAX_MODULES = 20000
MAX_HOPS = 16  # re-exports from one module to the next, and bases of bases
SKIPPED_FOLDERS = {"node_modules", "__pycache__", "build", "dist", "venv", "site-packages", "_build", "CVS", "_darcs"}


class Module:
    """One file: its definitions, and where its imported names come from ("json.dumps", or a project's module)."""

    def __init__(self, source: Source, package: List[str]) -> None:
        self.source = source
        self.package = package  # folders from the root of imports, for relative imports
        self.shown = source.shown
        self.tree = source.tree
        self.imports: Dict[str, str] = {}
        self.stars: List[str] = []
        self.defined = definitions(source.tree.body)
        self.values = assignments(source.tree.body)  # of globals
        for node in ast.walk(source.tree):
            self._take_import(node)

    def _take_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    self.imports.setdefault(alias.asname, alias.name)
                else:
                    top = alias.name.split(".")[0]
                    self.imports.setdefault(top, top)
        elif isinstance(node, ast.ImportFrom):
            base = self._absolute(node)
            if base is None:
                return
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(base)
                else:
                    self.imports.setdefault(alias.asname or alias.name, f"{base}.{alias.name}" if base else alias.name)

    def _absolute(self, node: ast.ImportFrom) -> Optional[str]:
        if not node.level:
            return node.module or ""
        kept = len(self.package) - (node.level - 1)
        if kept < 0:
            return None
        return ".".join(self.package[:kept] + (node.module.split(".") if node.module else []))

    def function(self, name: str) -> Optional[ast.stmt]:
        found = [n for n in self.defined.get(name, []) if isinstance(n, FUNCTIONS)]
        return found[-1] if found else None

    def klass(self, name: str) -> Optional[ast.ClassDef]:
        found = [n for n in self.defined.get(name, []) if isinstance(n, ast.ClassDef)]
        return found[-1] if found else None


class Found(NamedTuple):
    """What a dotted name is: a definition of the project, or the name of something else ("os.fork")."""

    module: Optional[Module]
    node: Optional[ast.stmt]
    name: str


class Project:
    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self.modules: Dict[str, Optional[Module]] = {}
        self.complaints: List[str] = []
        self._found: Dict[Tuple[str, str], Optional[Module]] = {}
        self._resolved: Dict[Tuple[int, Tuple[str, ...]], Found] = {}
        self._members: Dict[int, Dict[str, List[ast.stmt]]] = {}
        self._known_bases: Dict[int, List[Tuple[Module, ast.ClassDef]]] = {}
        self._bases: List[str] = [self.root]
        for extra in ("src", "lib", "tests", "test"):
            if os.path.isdir(os.path.join(self.root, extra)):
                self._bases.append(os.path.join(self.root, extra))

    def shown(self, path: str) -> str:
        relative = os.path.relpath(path, self.root)
        return path if relative.startswith("..") else relative

    def is_inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root.rstrip("/") + "/")

    def load(self, path: str) -> Optional[Module]:
        """The module of a file; None (and a complaint, once) where it cannot be read or parsed."""
        path = os.path.realpath(path)
        if path not in self.modules:
            self.modules[path] = None
            if len(self.modules) > MAX_MODULES:
                return None
            shown = printable(self.shown(path))
            try:
                self.modules[path] = Module(load(path, shown), self._package_of(path))
            except CannotParse as error:
                self.complaints.append(str(error))
            except RecursionError:
                self.complaints.append(f"{shown}:1: cannot be parsed: nested too deeply")
            except OSError as error:
                self.complaints.append(f"{shown}:1: cannot be read: {printable(error.strerror or error)}")
        return self.modules[path]

    def _package_of(self, path: str) -> List[str]:
        """Folders that are packages, outermost first, below the project's root."""
        folder = os.path.dirname(path)
        names: List[str] = []
        while self.is_inside(folder) and folder != self.root and os.path.exists(os.path.join(folder, "__init__.py")):
            names.append(os.path.basename(folder))
            folder = os.path.dirname(folder)
        return names[::-1]

    def _import_roots(self, importer: Optional[Module]) -> List[str]:
        """Where the project's modules are looked for: pytest puts the first folder that is no package on sys.path."""
        if importer is None:
            return self._bases
        folder = os.path.dirname(importer.source.path)
        for _ in importer.package:
            folder = os.path.dirname(folder)
        return [folder] + self._bases

    def find_module(self, name: str, importer: Optional[Module]) -> Optional[Module]:
        key = (os.path.dirname(importer.source.path) if importer else "", name)
        if key not in self._found:
            self._found[key] = self._look_for(name, importer)
        return self._found[key]

    def _look_for(self, name: str, importer: Optional[Module]) -> Optional[Module]:
        parts = name.split(".")
        if not name or not all(part.isidentifier() for part in parts):
            return None
        for base in self._import_roots(importer):
            if not os.path.exists(os.path.join(base, parts[0])) and not os.path.exists(os.path.join(base, parts[0] + ".py")):
                continue
            stem = os.path.join(base, *parts)
            for path in (os.path.join(stem, "__init__.py"), stem + ".py"):
                if os.path.isfile(path) and self.is_inside(os.path.realpath(path)):
                    return self.load(path)
        return None

    def resolve(self, module: Module, names: List[str], hops: int = 0) -> Found:
        """What names[0].names[1]... is in a module."""
        if hops:
            return self._resolve(module, names, hops)
        key = (id(module), tuple(names))
        if key not in self._resolved:
            self._resolved[key] = self._resolve(module, names, 0)
        return self._resolved[key]

    def _resolve(self, module: Module, names: List[str], hops: int) -> Found:
        if hops > MAX_HOPS:
            return Found(None, None, ".".join(names))
        head = names[0]
        if head in module.defined:
            return self._inside(module, module.defined[head][-1], names[1:], ".".join(names), hops)
        if head in module.imports:
            return self._absolute(module, module.imports[head].split(".") + names[1:], hops)
        for star in module.stars[:32]:
            target = self.find_module(star, module)
            if target is not None and target is not module and (head in target.defined or head in target.imports):
                return self.resolve(target, names, hops + 1)
            if target is None and star.split(".")[0] in ("multiprocessing", "threading", "os", "concurrent", "joblib"):
                return Found(None, None, ".".join([star] + names))
        return Found(None, None, ".".join(names))

    def _absolute(self, importer: Module, names: List[str], hops: int) -> Found:
        for count in range(min(len(names), 16), 0, -1):
            target = self.find_module(".".join(names[:count]), importer)
            if target is None:
                continue
            if target is importer and count == len(names):
                break
            if count == len(names):
                return Found(target, None, ".".join(names))
            return self.resolve(target, names[count:], hops + 1)
        return Found(None, None, ".".join(names))

    def _inside(self, module: Module, node: ast.stmt, rest: List[str], name: str, hops: int) -> Found:
        for part in rest:
            if not isinstance(node, ast.ClassDef):
                return Found(None, None, name)
            found = self.member(module, node, part, hops + 1)
            if found is None:
                return Found(None, None, name)
            module, node = found
        return Found(module, node, name)

    def members(self, node: ast.ClassDef) -> Dict[str, List[ast.stmt]]:
        """Methods and nested classes that stand in a class."""
        if id(node) not in self._members:
            self._members[id(node)] = definitions(node.body)
        return self._members[id(node)]

    def member(self, module: Module, node: ast.ClassDef, name: str, hops: int = 0) -> Optional[Tuple[Module, ast.stmt]]:
        """A method or nested class, of the class or of a base in the project."""
        own = self.members(node).get(name)
        if own:
            return module, own[-1]
        for base_module, base in self.bases(module, node, hops):
            found = self.members(base).get(name)
            if found:
                return base_module, found[-1]
        return None

    def bases(self, module: Module, node: ast.ClassDef, hops: int = 0) -> List[Tuple[Module, ast.ClassDef]]:
        """Bases in the project, nearest first, each once."""
        if hops:
            return self._look_for_bases(module, node, hops)
        if id(node) not in self._known_bases:
            self._known_bases[id(node)] = self._look_for_bases(module, node, 0)
        return self._known_bases[id(node)]

    def _look_for_bases(self, module: Module, node: ast.ClassDef, hops: int) -> List[Tuple[Module, ast.ClassDef]]:
        found: List[Tuple[Module, ast.ClassDef]] = []
        seen: Set[int] = {id(node)}
        waiting = [(module, node)]
        while waiting and len(found) < 64 and hops < MAX_HOPS:
            current_module, current = waiting.pop(0)
            for target in self.base_names(current_module, current, hops):
                if target.module is not None and isinstance(target.node, ast.ClassDef) and id(target.node) not in seen:
                    seen.add(id(target.node))
                    found.append((target.module, target.node))
                    waiting.append((target.module, target.node))
        return found

    def base_names(self, module: Module, node: ast.ClassDef, hops: int = 0) -> List[Found]:
        names = [dotted(base) for base in node.bases]
        return [self.resolve(module, name, hops + 1) for name in names if name]

    def is_testcase(self, module: Module, node: ast.ClassDef) -> bool:
        for owner, klass in [(module, node)] + self.bases(module, node):
            for base in self.base_names(owner, klass):
                last = base.name.rsplit(".", 1)[-1]
                if base.node is None and last.endswith("TestCase"):
                    return True
        return False


def python_files(path: str) -> List[str]:
    """Files below a folder, sorted; folders that hold no tests of the project are left out, and links are not followed."""
    found: List[str] = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(
            f
            for f in folders
            if not f.startswith(".") and f not in SKIPPED_FOLDERS and not os.path.exists(os.path.join(folder, f, "pyvenv.cfg"))
        )
        found += [os.path.join(folder, f) for f in sorted(files) if f.endswith(".py")]
        if len(found) > MAX_MODULES:
            break
    return found
