# SPDX-License-Identifier: MIT
"""What in one function looks unsafe beside other tests. Each reason has a kind:

limits  threads and processes: may need more than a worker's share
shared  ports and files: safe only where the policy isolates workers from each other
order   the working directory and the environment: seen by later tests of the same worker

and is `small` where it fits into the least share that a worker gets (16 tasks), or puts back what it changed."""
import ast
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from .collect import keyword
from .source import FUNCTIONS

SMALL_POOL = 8  # workers of a pool, or rounds of a loop: fits 16 tasks with room for the test itself
KINDS = ("limits", "shared", "order")
RUNNERS = {"pytest", "py.test", "tox", "nox", "ctest", "nose2", "nosetests", "green", "trial", "stestr"}
RUN_MODULES = RUNNERS | {"unittest", "test"}
STARTERS = {
    "subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "subprocess.getoutput", "subprocess.getstatusoutput", "os.system", "os.popen", "os.execv", "os.execvp",
    "os.spawnv", "os.spawnvp", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell", "pexpect.spawn",
}  # fmt: skip
POOLS = {
    "concurrent.futures.ThreadPoolExecutor": ("ThreadPoolExecutor", "max_workers"),
    "concurrent.futures.thread.ThreadPoolExecutor": ("ThreadPoolExecutor", "max_workers"),
    "concurrent.futures.ProcessPoolExecutor": ("ProcessPoolExecutor", "max_workers"),
    "concurrent.futures.process.ProcessPoolExecutor": ("ProcessPoolExecutor", "max_workers"),
    "multiprocessing.Pool": ("multiprocessing.Pool", "processes"),
    "multiprocessing.pool.Pool": ("multiprocessing.Pool", "processes"),
    "multiprocessing.pool.ThreadPool": ("multiprocessing.pool.ThreadPool", "processes"),
    "multiprocessing.dummy.Pool": ("multiprocessing.dummy.Pool", "processes"),
    "multiprocessing.get_context().Pool": ("multiprocessing.Pool", "processes"),
    "loky.get_reusable_executor": ("loky.get_reusable_executor", "max_workers"),
}
ONE_EACH = {
    "threading.Thread": "threading.Thread",
    "_thread.start_new_thread": "_thread.start_new_thread",
    "multiprocessing.Process": "multiprocessing.Process",
    "multiprocessing.context.Process": "multiprocessing.Process",
    "multiprocessing.get_context().Process": "multiprocessing.Process",
}
FORKS = ("os.fork", "os.forkpty", "pty.fork")
PARALLEL = ("joblib.Parallel", "joblib.parallel.Parallel")
SERVERS = ("HTTPServer", "TCPServer", "UDPServer", "WSGIServer", "create_server", "create_connection_server", "bind")
TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")
# Ends of names of what opens, makes or removes the file that it is given.
OPENERS = {
    "open", "Path", "PosixPath", "mkdir", "makedirs", "remove", "unlink", "rmdir", "rmtree", "copy", "copyfile", "copy2",
    "copytree", "move", "rename", "replace", "mkfifo", "touch", "write_text", "write_bytes", "connect", "bind", "symlink",
    "link", "save", "savez", "savetxt", "to_csv", "to_pickle", "FileHandler", "ZipFile", "fopen", "File", "start_unix_server",
    "create_unix_server", "FileLock", "Memory", "listdir",
}  # fmt: skip
ENVIRON_WRITES = {"update", "setdefault", "pop", "clear", "popitem"}


class Reason(NamedTuple):
    kind: str
    small: bool
    text: str
    line: int
    pool: bool = False  # a small one inside another one is none any more


class Scope(NamedTuple):
    """What a function's expressions mean: `name_of` gives the full dotted name of a callee, or None; `constant` what a name
    stands for, where that is written down."""

    name_of: Callable[[ast.AST], Optional[str]]
    constant: Callable[[str], Optional[ast.expr]]
    is_thread: Callable[[ast.AST], bool]  # a class of the project that extends threading.Thread or Process


def _literal(node: Optional[ast.AST], scope: Scope) -> object:
    """A constant, also by a name; None for anything else."""
    if isinstance(node, ast.Name):
        node = scope.constant(node.id) or node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        return -value if isinstance(value, (int, float)) else None
    return node.value if isinstance(node, ast.Constant) else None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# ---- limits ----------------------------------------------------------------------------------


def _pool(call: ast.Call, full: str, scope: Scope) -> Reason:
    name, word = POOLS[full]
    given = keyword(call, word) or (call.args[0] if call.args and not isinstance(call.args[0], ast.Starred) else None)
    if given is None or (isinstance(given, ast.Constant) and given.value is None):
        return Reason("limits", False, f"{name} without {word}", call.lineno, True)
    size = _literal(given, scope)
    if isinstance(size, int) and _is_int(size):
        return Reason("limits", size <= SMALL_POOL, f"{name} of {size}", call.lineno, True)
    return Reason("limits", False, f"{name} of a computed size", call.lineno, True)


def _rounds(loops: List[ast.AST], scope: Scope) -> Optional[int]:
    """How often the loops run, together, where that is written there."""
    total = 1
    for loop in loops:
        over = getattr(loop, "iter", None)
        if isinstance(over, (ast.List, ast.Tuple)):
            total *= len(over.elts)
        elif isinstance(over, ast.Call) and getattr(over.func, "id", "") == "range" and len(over.args) == 1:
            value = _literal(over.args[0], scope)
            if not isinstance(value, int):
                return None
            total *= value
        else:
            return None
    return total


def _one_each(call: ast.Call, name: str, loops: List[ast.AST], scope: Scope) -> Reason:
    if not loops:
        return Reason("limits", True, name, call.lineno)
    rounds = _rounds(loops, scope)
    if rounds is not None:
        return Reason("limits", rounds <= SMALL_POOL, f"{name} in a loop of {rounds}", call.lineno)
    return Reason("limits", False, f"{name} in a loop", call.lineno)


def _jobs(call: ast.Call, scope: Scope) -> Optional[Reason]:
    given = keyword(call, "n_jobs") or (call.args[0] if call.args else None)
    if given is None or (isinstance(given, ast.Constant) and given.value is None):
        return None
    jobs = _literal(given, scope)
    if jobs == 1:
        return None
    if isinstance(jobs, int) and _is_int(jobs):
        return Reason("limits", 0 <= jobs <= SMALL_POOL, f"joblib.Parallel with n_jobs={jobs}", call.lineno, True)
    return Reason("limits", False, "joblib.Parallel with a computed n_jobs", call.lineno, True)


def _words(call: ast.Call) -> List[str]:
    """The literal words of a command line, in order; the interpreter itself is left out."""
    nodes: List[ast.AST] = []
    for argument in list(call.args[:8]) + [k for k in (keyword(call, "args"), keyword(call, "cmd")) if k is not None]:
        nodes += argument.elts if isinstance(argument, (ast.List, ast.Tuple)) else [argument]
    words: List[str] = []
    for node in nodes[:64]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words += node.value[:2000].split()
        elif isinstance(node, ast.JoinedStr):
            words += [w for v in node.values if isinstance(v, ast.Constant) for w in str(v.value)[:2000].split()]
    return words


def _runner(call: ast.Call) -> Optional[Reason]:
    words = _words(call)
    for before, word in zip([""] + words, words):
        name = word.rsplit("/", 1)[-1]
        if (before == "-m" and word in RUN_MODULES) or (name in RUNNERS and not before.startswith("-")):
            return Reason("limits", False, f"a subprocess that runs {name}", call.lineno)
        if name in ("make", "gmake", "ninja") and any(w.startswith(("-j", "--jobs")) for w in words):
            return Reason("limits", False, f"a subprocess that runs {name} -j", call.lineno)
    return None


# ---- shared ----------------------------------------------------------------------------------


def _port(call: ast.Call, name: str, scope: Scope) -> Optional[Reason]:
    last = name.rsplit(".", 1)[-1]
    ports: List[object] = []
    if last.endswith(SERVERS):
        for argument in call.args[:3]:
            if isinstance(argument, ast.Name):
                argument = scope.constant(argument.id) or argument
            if isinstance(argument, ast.Tuple) and len(argument.elts) in (2, 4):
                ports.append(_literal(argument.elts[1], scope))
        if last == "create_server" and len(call.args) >= 3:
            ports.append(_literal(call.args[2], scope))
    if last == "start_server" and len(call.args) >= 3:
        ports.append(_literal(call.args[2], scope))
    if last == "listen" and call.args:
        value = _literal(call.args[0], scope)
        ports.append(value if isinstance(value, int) and value > 1024 else None)  # less is a backlog
    if any(word in last.lower() for word in ("serve", "server", "run", "listen", "bind", "start")):
        ports.append(_literal(keyword(call, "port"), scope))
    for port in ports:
        if isinstance(port, int) and _is_int(port) and 0 < port < 65536:
            return Reason("shared", False, f"fixed port {port}", call.lineno)
    return None


def _fixed_path(call: ast.Call, name: str, scope: Scope) -> Optional[Reason]:
    last = name.rsplit(".", 1)[-1]
    if last not in OPENERS:
        return None
    for argument in call.args[:3] + [k.value for k in call.keywords[:16]]:
        joined = argument
        if isinstance(argument, ast.Call) and (scope.name_of(argument.func) or "").endswith("os.path.join"):
            parts = [_literal(a, scope) for a in argument.args[:16]]
            if parts and all(isinstance(p, str) for p in parts):
                joined = ast.Constant("/".join(str(p) for p in parts))
        text = _literal(joined, scope)
        if isinstance(text, str) and text.startswith(TEMPORARY) and len(text) < 4096:
            return Reason("shared", False, f"fixed path {text[:80]}", call.lineno)
    return None


# ---- order -----------------------------------------------------------------------------------


def _changes(node: ast.AST, scope: Scope) -> Optional[str]:
    """What of the process a statement or call changes."""
    if isinstance(node, ast.Call):
        name = scope.name_of(node.func) or ""
        if name in ("os.chdir", "os.fchdir"):
            return "os.chdir"
        if name in ("os.putenv", "os.unsetenv") or (name.startswith("os.environ.") and name[11:] in ENVIRON_WRITES):
            return "os.environ"
        if name in ("multiprocessing.set_start_method",):
            return "multiprocessing.set_start_method"
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and scope.name_of(node.value) == "os.environ":
        return "os.environ"
    return None


def _restored(node: ast.AST, scope: Scope) -> Dict[str, bool]:
    """What is put back: in a `finally`, after a fixture's `yield`, by addCleanup(), or by mock.patch.dict around it."""
    found: Dict[str, bool] = {}
    yields = [n.lineno for n in ast.walk(node) if isinstance(n, (ast.Yield, ast.YieldFrom))]
    inside = {n.name: n for n in ast.walk(node) if isinstance(n, FUNCTIONS) and n is not node}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Try):
            for last in inner.finalbody:
                nodes = list(ast.walk(last))
                called = [inside.get(getattr(n.func, "id", "")) for n in nodes if isinstance(n, ast.Call)]
                for function in called:
                    nodes += list(ast.walk(function)) if function is not None else []
                for change in (_changes(n, scope) for n in nodes):
                    found[change or ""] = True
        change = _changes(inner, scope)
        if change and yields and getattr(inner, "lineno", 0) > min(yields):
            found[change] = True
        if isinstance(inner, ast.Call):
            name = scope.name_of(inner.func) or ""
            given = [scope.name_of(a) or getattr(a, "value", None) for a in inner.args[:2]]
            if name.endswith(("patch.dict", "addCleanup", "addfinalizer", ".callback")) or name in ("atexit.register",):
                if any(isinstance(g, str) and g.startswith("os.environ") for g in given):
                    found["os.environ"] = True
                if "os.chdir" in given:
                    found["os.chdir"] = True
    return found


# ---- all -------------------------------------------------------------------------------------

LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


def _with_loops(node: ast.AST) -> List[Tuple[ast.AST, List[ast.AST]]]:
    """Every node below, with the loops around it. A stack of its own: trees are deep."""
    found: List[Tuple[ast.AST, List[ast.AST]]] = []
    waiting: List[Tuple[ast.AST, List[ast.AST]]] = [(node, [])]
    while waiting:
        current, loops = waiting.pop()
        found.append((current, loops))
        if isinstance(current, (ast.For, ast.AsyncFor, ast.While)):
            loops = loops + [current]
        elif isinstance(current, LOOPS):
            loops = loops + list(current.generators)  # type: ignore[attr-defined]
        waiting += [(child, loops) for child in ast.iter_child_nodes(current)]
    return found


def _of_call(call: ast.Call, loops: List[ast.AST], scope: Scope) -> Optional[Reason]:
    name = scope.name_of(call.func)
    if name is None:
        return None
    if name in POOLS:
        return _pool(call, name, scope)
    if name in ONE_EACH:
        return _one_each(call, ONE_EACH[name], loops, scope)
    if scope.is_thread(call.func):
        return _one_each(call, name.rsplit(".", 1)[-1], loops, scope)
    if name in FORKS:
        return Reason("limits", False, name, call.lineno)
    if name in PARALLEL:
        return _jobs(call, scope)
    if name in ("multiprocessing.Manager", "multiprocessing.managers.SyncManager"):
        return Reason("limits", True, "multiprocessing.Manager", call.lineno)
    if name in STARTERS:
        return _runner(call)
    if name.endswith(".runpytest_subprocess"):
        return Reason("limits", False, "a subprocess that runs pytest", call.lineno)
    return _port(call, name, scope) or _fixed_path(call, name, scope)


def reasons(node: ast.AST, scope: Scope) -> List[Reason]:
    """Of one function, or of the value of a module's global; in the order of lines."""
    found: List[Reason] = []
    changed: List[Tuple[str, int]] = []
    for inner, loops in _with_loops(node):
        reason = _of_call(inner, loops, scope) if isinstance(inner, ast.Call) else None
        if reason is not None:
            found.append(reason)
        change = _changes(inner, scope)
        if change is not None:
            changed.append((change, getattr(inner, "lineno", 1)))
    restored = _restored(node, scope) if changed else {}
    for change, line in sorted(changed, key=lambda c: c[1]):
        if not any(r.kind == "order" and r.text.startswith(change) for r in found):
            back = change in restored
            found.append(Reason("order", back, f"{change}{', put back' if back else ''}", line))
    return sorted(found, key=lambda r: r.line)
