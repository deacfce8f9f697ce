# SPDX-License-Identifier: MIT
"""What a test reaches: its own body, fixtures, setup methods, and functions of the same project, breadth first, each once."""
import ast
import os
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

from .collect import Fixtures, Mark, Test, used_by_marks, wanted_names
from .project import Module, Project
from .reasons import Reason, Scope, reasons
from .source import FUNCTIONS, Function, assignments, dotted

MAX_REACHED = 1500  # functions of one test
MAX_HOPS = 6
CLASS_SETUP = (
    "setUp", "tearDown", "asyncSetUp", "asyncTearDown", "setUpClass", "tearDownClass", "setup_method", "teardown_method",
    "setup_class", "teardown_class", "setup", "teardown",
)  # fmt: skip
MODULE_SETUP = ("setup_module", "teardown_module", "setup_function", "teardown_function", "setUpModule", "tearDownModule")
THREADS = ("threading.Thread", "threading.Timer", "multiprocessing.Process", "multiprocessing.context.Process")


Key = Tuple[int, int, Tuple[Tuple[str, int], ...]]


class Place(NamedTuple):
    """A function, or the value of a module's global, with the class that `self` is an instance of."""

    module: Module
    node: ast.AST
    klass: Optional[Tuple[Module, ast.ClassDef]]
    bound: Tuple[Tuple[str, int], ...] = ()  # arguments that the call gives as plain numbers: make_pool(4)

    @property
    def key(self) -> "Key":
        return id(self.node), id(self.klass[1]) if self.klass else 0, self.bound


class Edge(NamedTuple):
    place: Place
    via: str
    handed: bool = False  # named, not called: a pool's task, for example


class Finding(NamedTuple):
    reason: Reason
    where: str  # "file:line"
    via: Tuple[str, ...]  # "helper make_pool", "fixture server"


Local = Union[str, Tuple[Module, ast.ClassDef]]


def canonical(module: Module, node: ast.AST) -> str:
    stem = os.path.basename(module.source.path)[: -len(".py")]
    parts = module.package + ([] if stem == "__init__" else [stem])
    return ".".join(parts + [getattr(node, "name", "?")])


class Names:
    """What expressions in one place mean."""

    def __init__(self, project: Project, place: Place) -> None:
        self.project = project
        self.place = place
        self.locals: Dict[str, Local] = {}
        self.given: Optional[Dict[str, ast.expr]] = None
        if not isinstance(place.node, FUNCTIONS):
            return
        for node in ast.walk(place.node):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._learn(node.targets[0], node.value)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                for item in node.items:
                    self._learn(item.optional_vars, item.context_expr)

    def _learn(self, target: Optional[ast.AST], value: ast.AST) -> None:
        if not isinstance(target, ast.Name) or target.id in self.locals:
            return
        called = value.func if isinstance(value, ast.Call) else value
        found = self.definition(called)
        if found is not None:
            if isinstance(value, ast.Call) and isinstance(found[1], ast.ClassDef):
                self.locals[target.id] = (found[0], found[1])
            return
        names = dotted(called)
        if names and names[0] in self.place.module.imports:
            self.locals[target.id] = (self.name_of(called) or "?") + ("()" if isinstance(value, ast.Call) else "")

    def definition(self, node: ast.AST) -> Optional[Tuple[Module, ast.stmt, bool]]:
        """(module, function or class of the project, whether it belongs to self)."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call):
            if not _is_shallow(node):
                return None
            called = dotted(node.value.func)
            if called == ["super"] and self.place.klass:
                return self._member(self.place.klass, node.attr, True, own=False)
            made = self.definition(node.value.func)
            if made is not None and isinstance(made[1], ast.ClassDef):
                return self._member((made[0], made[1]), node.attr, False)
            return None
        names = dotted(node)
        if names is None:
            return None
        if names[0] in ("self", "cls") and self.place.klass:
            return self._member(self.place.klass, names[1], True) if len(names) == 2 else None
        local = self.locals.get(names[0])
        if local is not None:
            return self._member(local, names[1], False) if isinstance(local, tuple) and len(names) == 2 else None
        found = self.project.resolve(self.place.module, names)
        return None if found.module is None or found.node is None else (found.module, found.node, False)

    def _member(
        self, klass: Tuple[Module, ast.ClassDef], name: str, of_self: bool, own: bool = True
    ) -> Optional[Tuple[Module, ast.stmt, bool]]:
        if own:
            found = self.project.member(klass[0], klass[1], name)
            return (found[0], found[1], of_self) if found else None
        for module, base in self.project.bases(*klass):
            inherited = self.project.members(base).get(name)
            if inherited:
                return module, inherited[-1], of_self
        return None

    def name_of(self, node: ast.AST) -> Optional[str]:
        """The full name of a callee as far as it is known: "os.fork", "multiprocessing.get_context().Pool", "sock.bind"."""
        if isinstance(node, ast.Attribute) and dotted(node) is None:
            inner = self.name_of(node.value.func) if isinstance(node.value, ast.Call) and _is_shallow(node.value) else None
            return f"{inner}().{node.attr}" if inner else f"?.{node.attr}"
        names = dotted(node)
        if names is None:
            return None
        local = self.locals.get(names[0])
        if isinstance(local, str):
            return ".".join([local] + names[1:])
        if local is not None or names[0] in ("self", "cls"):
            return ".".join(names)
        found = self.project.resolve(self.place.module, names)
        return canonical(found.module, found.node) if found.module and found.node else found.name

    def constant(self, name: str) -> Optional[ast.expr]:
        """What a name stands for: a value given in the function, by parametrize, as a default, or in the module."""
        node = self.place.node
        for bound, number in self.place.bound:
            if bound == name:
                return ast.Constant(number)
        if isinstance(node, FUNCTIONS):
            if self.given is None:
                self.given = assignments(node.body)
            value = self.given.get(name) or parametrized(node, name) or _default(node, name)
            if value is not None or any(a.arg == name for a in node.args.args + node.args.kwonlyargs):
                return value
        return self.place.module.values.get(name)

    def is_thread(self, node: ast.AST) -> bool:
        found = self.definition(node)
        if found is None or not isinstance(found[1], ast.ClassDef):
            return False
        for owner, klass in [(found[0], found[1])] + self.project.bases(found[0], found[1]):
            if any(base.node is None and base.name in THREADS for base in self.project.base_names(owner, klass)):
                return True
        return False


def _bound(node: ast.stmt, call: Optional[ast.Call], names: Names) -> Tuple[Tuple[str, int], ...]:
    """Which arguments of a function a call gives as plain numbers, also by a name that stands for one."""
    if call is None or not isinstance(node, FUNCTIONS) or any(isinstance(a, ast.Starred) for a in call.args):
        return ()
    arguments = [a.arg for a in node.args.args]
    if arguments[:1] in (["self"], ["cls"]):
        arguments = arguments[1:]
    given = list(zip(arguments, call.args)) + [(k.arg, k.value) for k in call.keywords if k.arg]
    found = []
    for name, value in given[:16]:
        value = (names.constant(value.id) or value) if isinstance(value, ast.Name) else value
        if isinstance(value, ast.Constant) and isinstance(value.value, int) and not isinstance(value.value, bool):
            found.append((name, value.value))
    return tuple(sorted(found))


def _default(node: Function, name: str) -> Optional[ast.expr]:
    arguments = node.args.args
    with_default = arguments[len(arguments) - len(node.args.defaults) :]
    pairs = list(zip(with_default, node.args.defaults)) + list(zip(node.args.kwonlyargs, node.args.kw_defaults))
    return next((value for argument, value in pairs if argument.arg == name), None)


def parametrized(node: Function, name: str) -> Optional[ast.expr]:
    """The largest of the whole numbers that parametrize gives to an argument; a negative one ("all") before any other."""
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call) or len(decorator.args) < 2:
            continue
        if (dotted(decorator.func) or [""])[-1] != "parametrize" or not isinstance(decorator.args[0], ast.Constant):
            continue
        names = [n.strip() for n in str(decorator.args[0].value)[:1000].split(",")]
        rows = decorator.args[1]
        if name not in names or not isinstance(rows, (ast.List, ast.Tuple)):
            continue
        at = names.index(name)
        cells = rows.elts if len(names) == 1 else [r.elts[at] for r in rows.elts if isinstance(r, (ast.List, ast.Tuple)) and len(r.elts) > at]
        return _largest(cells)
    return None


def _largest(cells: List[ast.expr]) -> Optional[ast.expr]:
    values = []
    for cell in cells:
        inner = cell.operand if isinstance(cell, ast.UnaryOp) and isinstance(cell.op, ast.USub) else cell
        if not isinstance(inner, ast.Constant) or not isinstance(inner.value, int):
            return None
        values.append((inner is not cell, inner.value, cell))
    return max(values, key=lambda v: v[:2])[2] if values else None


def _is_shallow(node: ast.AST) -> bool:
    """A chain of calls and attributes that is short enough to be followed recursively."""
    for _ in range(32):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            node = node.value
        else:
            return True
    return False


class Reach:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.fixtures = Fixtures(project)
        self._known: Dict[Key, Tuple[List[Reason], List[Edge]]] = {}
        self._leads: Dict[Key, bool] = {}  # whether a reason can be reached from a place

    def _look(self, place: Place) -> Tuple[List[Reason], List[Edge]]:
        if place.key not in self._known:
            names = Names(self.project, place)
            scope = Scope(names.name_of, names.constant, names.is_thread)
            self._known[place.key] = reasons(place.node, scope), list(self._edges(place, names))
        return self._known[place.key]

    def _edges(self, place: Place, names: Names) -> Iterator[Edge]:
        """Functions that are called or named, the methods that a class runs by itself, and globals that are used."""
        seen: Set[Tuple[int, object]] = {(id(place.node), ())}
        local = {a.arg for a in ast.walk(place.node) if isinstance(a, ast.arg)}
        called = {id(n.func): n for n in ast.walk(place.node) if isinstance(n, ast.Call)}
        for node in ast.walk(place.node):
            if not isinstance(node, (ast.Name, ast.Attribute)) or not isinstance(node.ctx, ast.Load):
                continue
            if isinstance(node, ast.Name) and node.id in local:
                continue
            found = names.definition(node)
            if found is not None:
                bound = _bound(found[1], called.get(id(node)), names)
                if (id(found[1]), bound) not in seen and len(seen) < MAX_REACHED:
                    seen.add((id(found[1]), bound))
                    yield from self._into(place, found, id(node) not in called, bound)
            elif found is None and isinstance(node, ast.Name):
                value = place.module.values.get(node.id)
                if isinstance(value, ast.Call) and (id(value), ()) not in seen and node.id not in names.locals:
                    seen.add((id(value), ()))
                    yield Edge(Place(place.module, value, None), f"global {node.id}")

    def _into(
        self, place: Place, found: Tuple[Module, ast.stmt, bool], handed: bool, bound: Tuple[Tuple[str, int], ...]
    ) -> Iterator[Edge]:
        module, node, of_self = found
        if isinstance(node, FUNCTIONS):
            owner = place.klass if of_self else _owner(module, node)
            yield Edge(Place(module, node, owner, bound), f"helper {node.name}", handed)
        elif isinstance(node, ast.ClassDef):
            for name in ("__init__", "__enter__", "__aenter__", "__call__"):
                member = self.project.member(module, node, name)
                if member is not None and isinstance(member[1], FUNCTIONS):
                    yield Edge(Place(member[0], member[1], (module, node)), f"class {node.name}")

    def _start(self, test: Test, marks: List[Mark]) -> List[Edge]:
        klass = (test.module, test.classes[-1]) if test.classes else None
        edges = [Edge(Place(test.owner, test.node, klass), "")]
        for name in CLASS_SETUP if klass else ():
            member = self.project.member(klass[0], klass[1], name) if klass else None
            if member is not None and isinstance(member[1], FUNCTIONS):
                edges.append(Edge(Place(member[0], member[1], klass), name))
        for name in MODULE_SETUP:
            function = test.module.function(name)
            if function is not None:
                edges.append(Edge(Place(test.module, function, None), name))
        return edges + self._fixture_edges(test, marks, klass)

    def _fixture_edges(self, test: Test, marks: List[Mark], klass: Optional[Tuple[Module, ast.ClassDef]]) -> List[Edge]:
        levels = self.fixtures.levels(test)
        waiting = [(name, 0) for name in wanted_names(test.node) + used_by_marks(marks)]
        waiting += [(name, 0) for level in levels for name, fixture in level.items() if fixture.autouse]
        edges: List[Edge] = []
        seen: Set[Tuple[str, int]] = set()
        while waiting and len(edges) < MAX_REACHED:
            name, depth = waiting.pop(0)
            if (name, depth) in seen:
                continue
            seen.add((name, depth))
            for at in range(depth, len(levels)):
                fixture = levels[at].get(name)
                if fixture is None:
                    continue
                edges.append(Edge(Place(fixture.module, fixture.node, klass if fixture.klass else None), f"fixture {name}"))
                # A fixture that asks for its own name gets the one farther out.
                waiting += [(n, at + 1 if n == name else 0) for n in wanted_names(fixture.node)]
                break
        return edges

    def _explore(self, places: List[Place]) -> None:
        """Decides `_leads` for all that these reach: a big library is walked through once, not once a test."""
        new: Dict[Key, Place] = {}
        waiting = list(places)
        while waiting:
            place = waiting.pop()
            if place.key not in new and place.key not in self._leads:
                new[place.key] = place
                waiting += [edge.place for edge in self._look(place)[1]]
        callers: Dict[Key, List[Key]] = {}
        leading: List[Key] = []
        for key, place in new.items():
            direct, edges = self._look(place)
            for edge in edges:
                callers.setdefault(edge.place.key, []).append(key)
            self._leads[key] = bool(direct) or any(self._leads.get(edge.place.key) for edge in edges if edge.place.key not in new)
            if self._leads[key]:
                leading.append(key)
        while leading:
            for caller in callers.get(leading.pop(), ()):
                if not self._leads[caller]:
                    self._leads[caller] = True
                    leading.append(caller)

    def findings(self, test: Test, marks: List[Mark]) -> List[Finding]:
        """Each reason once, with the shortest way to it."""
        found: List[Finding] = []
        waiting: List[Tuple[Place, Tuple[str, ...], bool]] = []
        for edge in self._start(test, marks):
            waiting.append((edge.place, (edge.via,) if edge.via else (), False))
        self._explore([place for place, _, _ in waiting])
        waiting = [entry for entry in waiting if self._leads[entry[0].key]]
        seen = {place.key for place, _, _ in waiting}
        told: Set[Tuple[str, str]] = set()
        while waiting:
            place, via, in_pool = waiting.pop(0)
            direct, edges = self._look(place)
            has_pool = in_pool or any(reason.pool for reason in direct)
            for reason in direct:
                if in_pool and reason.pool and reason.small:
                    reason = reason._replace(small=False, text=reason.text + ", inside another pool")
                where = f"{place.module.shown}:{reason.line}"
                if (where, reason.text) not in told:
                    told.add((where, reason.text))
                    found.append(Finding(reason, where, via))
            for edge in edges:
                if self._leads[edge.place.key] and edge.place.key not in seen and len(via) < MAX_HOPS and len(seen) < MAX_REACHED:
                    seen.add(edge.place.key)
                    waiting.append((edge.place, via + (edge.via,), in_pool or (edge.handed and has_pool)))
        return found


def _owner(module: Module, node: ast.AST) -> Optional[Tuple[Module, ast.ClassDef]]:
    """The class of a module that a method stands in."""
    if id(node) in {id(n) for nodes in module.defined.values() for n in nodes}:
        return None
    for nodes in module.defined.values():
        for klass in nodes:
            if isinstance(klass, ast.ClassDef) and any(inner is node for inner in klass.body):
                return module, klass
    return None
