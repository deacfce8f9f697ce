# SPDX-License-Identifier: MIT
"""Which functions are tests, by pytest's names; their markers and their fixtures."""
import ast
import fnmatch
import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from .config import Config
from .project import Module, Project
from .source import FUNCTIONS, Function, assignments, definitions, dotted

MAX_CLASS_DEPTH = 20


class Mark(NamedTuple):
    name: str
    node: ast.AST  # the expression
    where: str  # "file:line"


class Test(NamedTuple):
    module: Module  # that is collected
    owner: Module  # that defines the function: another one for inherited tests
    classes: Tuple[ast.ClassDef, ...]
    node: Function

    @property
    def label(self) -> str:
        return "::".join([c.name for c in self.classes] + [self.node.name])


class Naming(NamedTuple):
    files: List[str]
    classes: List[str]
    functions: List[str]


def naming(config: Config) -> Naming:
    return Naming(
        config.names("python_files", ["test_*.py", "*_test.py"]),
        config.names("python_classes", ["Test"]),
        config.names("python_functions", ["test"]),
    )


def _matches(name: str, patterns: List[str]) -> bool:
    return any(
        name.startswith(p) or (any(c in p for c in "*?[") and fnmatch.fnmatch(name, p)) for p in patterns if len(p) < 200
    )


def is_test_file(path: str, names: Naming) -> bool:
    return any(fnmatch.fnmatch(os.path.basename(path), p) for p in names.files if len(p) < 200)


def tests_of(project: Project, module: Module, names: Naming) -> Iterator[Test]:
    for name, nodes in module.defined.items():
        node = nodes[-1]
        if isinstance(node, FUNCTIONS) and _matches(name, names.functions) and not is_fixture(module, node):
            yield Test(module, module, (), node)
        elif isinstance(node, ast.ClassDef):
            yield from _of_class(project, module, (node,), names)


def _of_class(project: Project, module: Module, classes: Tuple[ast.ClassDef, ...], names: Naming) -> Iterator[Test]:
    node = classes[-1]
    unittest = project.is_testcase(module, node)
    own = definitions(node.body)
    if not unittest and (not _matches(node.name, names.classes) or "__init__" in own):
        return
    seen = set()
    for owner, klass in [(module, node)] + project.bases(module, node):
        for name, nodes in definitions(klass.body).items():
            if name in seen:
                continue
            seen.add(name)
            last = nodes[-1]
            if isinstance(last, FUNCTIONS):
                if name.startswith("test") if unittest else _matches(name, names.functions):
                    yield Test(module, owner, classes, last)
            elif isinstance(last, ast.ClassDef) and owner is module and len(classes) < MAX_CLASS_DEPTH:
                yield from _of_class(project, module, classes + (last,), names)


# ---- markers ---------------------------------------------------------------------------------


def expand(module: Module, names: List[str]) -> List[str]:
    """A dotted name with the import alias at its head replaced."""
    return module.imports[names[0]].split(".") + names[1:] if names[0] in module.imports else names


def mark_of(module: Module, node: ast.AST, hops: int = 0) -> Optional[Mark]:
    names = dotted(node.func if isinstance(node, ast.Call) else node)
    if names is None:
        return None
    full = expand(module, names)
    if full[:2] == ["pytest", "mark"] and len(full) == 3:
        return Mark(full[2], node, f"{module.shown}:{getattr(node, 'lineno', 1)}")
    if len(names) == 1 and hops < 4:  # unsafe = pytest.mark.parallel_unsafe
        value = module.values.get(names[0])
        return mark_of(module, value, hops + 1) if value is not None else None
    return None


def _pytestmark(module: Module, body: List[ast.stmt]) -> List[Mark]:
    value = assignments(body).get("pytestmark")
    if value is None:
        return []
    nodes = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    return [mark for mark in (mark_of(module, node) for node in nodes) if mark]


def marks_on(module: Module, node: ast.AST) -> List[Mark]:
    """Those of the decorators alone."""
    return [mark for mark in (mark_of(module, d) for d in getattr(node, "decorator_list", [])) if mark]


def marks(project: Project, test: Test) -> List[Mark]:
    """All markers of a test, the closest first."""
    found = marks_on(test.owner, test.node)
    for klass in test.classes[::-1]:
        for owner, node in [(test.module, klass)] + project.bases(test.module, klass):
            found += marks_on(owner, node) + _pytestmark(owner, node.body)
    return found + _pytestmark(test.module, test.module.tree.body)


def keyword(node: ast.AST, name: str) -> Optional[ast.expr]:
    for word in getattr(node, "keywords", []):
        if word.arg == name:
            return word.value
    return None


def is_serial(mark: Mark, serial: List[str]) -> bool:
    lane = keyword(mark.node, "lane") if mark.name == "shunt" else None
    return mark.name in serial or (isinstance(lane, ast.Constant) and lane.value == "serial")


# ---- fixtures --------------------------------------------------------------------------------


class Fixture(NamedTuple):
    module: Module
    node: Function
    klass: Optional[ast.ClassDef]
    autouse: bool


def _fixture_call(module: Module, node: ast.AST) -> Optional[ast.AST]:
    for decorator in getattr(node, "decorator_list", []):
        names = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        full = expand(module, names) if names else []
        if full in (["pytest", "fixture"], ["pytest", "yield_fixture"], ["pytest_asyncio", "fixture"]):
            return decorator
    return None


def is_fixture(module: Module, node: ast.AST) -> bool:
    return _fixture_call(module, node) is not None


def _in_block(module: Module, body: List[ast.stmt], klass: Optional[ast.ClassDef]) -> Dict[str, Fixture]:
    found: Dict[str, Fixture] = {}
    for name, nodes in definitions(body).items():
        call = _fixture_call(module, nodes[-1])
        if call is None:
            continue
        given, auto = keyword(call, "name"), keyword(call, "autouse")
        if isinstance(given, ast.Constant):
            name = str(given.value)
        found[name] = Fixture(module, nodes[-1], klass, isinstance(auto, ast.Constant) and bool(auto.value))  # type: ignore[arg-type]
    return found


class Fixtures:
    """The fixtures that a module's tests may use, the closest first."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.of_module: Dict[str, Dict[str, Fixture]] = {}
        self.of_class: Dict[int, Dict[str, Fixture]] = {}

    def _module(self, module: Module) -> Dict[str, Fixture]:
        if module.source.path not in self.of_module:
            found: Dict[str, Fixture] = {}
            self.of_module[module.source.path] = found
            for star in module.stars[:32]:
                target = self.project.find_module(star, module)
                if target is not None and target is not module:
                    found.update(self._module(target))
            for name in module.imports:
                target_found = self.project.resolve(module, [name])
                if target_found.module is not None and target_found.node is not None:
                    if is_fixture(target_found.module, target_found.node):
                        found[name] = Fixture(target_found.module, target_found.node, None, False)  # type: ignore[arg-type]
            found.update(_in_block(module, module.tree.body, None))
        return self.of_module[module.source.path]

    def _class(self, module: Module, klass: ast.ClassDef) -> List[Dict[str, Fixture]]:
        levels = []
        for owner, node in [(module, klass)] + self.project.bases(module, klass):
            if id(node) not in self.of_class:
                self.of_class[id(node)] = _in_block(owner, node.body, klass)
            levels.append(self.of_class[id(node)])
        return levels

    def _conftests(self, module: Module) -> List[Module]:
        found = []
        folder = os.path.dirname(module.source.path)
        while self.project.is_inside(folder):
            path = os.path.join(folder, "conftest.py")
            conftest = self.project.load(path) if os.path.isfile(path) else None
            if conftest is not None:
                found.append(conftest)
            folder = os.path.dirname(folder)
        return found

    def levels(self, test: Test) -> List[Dict[str, Fixture]]:
        found: List[Dict[str, Fixture]] = []
        for klass in test.classes[::-1]:
            found += self._class(test.module, klass)
        return found + [self._module(m) for m in [test.module] + self._conftests(test.module)]


def wanted_names(node: Function) -> List[str]:
    """Arguments that may be fixtures, and literal names given to getfixturevalue()."""
    arguments = [a.arg for a in node.args.args + node.args.kwonlyargs if a.arg not in ("self", "cls", "request")]
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "getfixturevalue":
            arguments += [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return arguments


def used_by_marks(found: List[Mark]) -> List[str]:
    arguments = [a for m in found if m.name == "usefixtures" and isinstance(m.node, ast.Call) for a in m.node.args]
    return [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
