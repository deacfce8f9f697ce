# SPDX-License-Identifier: MIT
"""Fixtures, and state that a forked worker inherits."""
from compare import Case

FIXTURES = {
    "conftest.py": """
import pytest

@pytest.fixture(scope="session")
def session_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("session", numbered=False)

@pytest.fixture(scope="module", params=["x", "y"])
def module_param(request): return request.param

@pytest.fixture(autouse=True)
def always(request):
    request.node.user_properties.append(("finalizers", "here"))
    yield
""",
    "test_builtin.py": """
import logging, os, sys, warnings
import pytest

def test_capsys(capsys):
    print("out"); print("err", file=sys.stderr)
    got = capsys.readouterr()
    assert (got.out, got.err) == ("out\\n", "err\\n")

def test_capfd(capfd):
    os.write(1, b"raw\\n"); os.system("echo from a child")
    assert capfd.readouterr().out == "raw\\nfrom a child\\n"

def test_capfdbinary(capfdbinary):
    os.write(2, b"\\xff\\x00")
    assert capfdbinary.readouterr().err == b"\\xff\\x00"

def test_disabled(capsys):
    with capsys.disabled():
        print("seen at once")

def test_caplog(caplog):
    caplog.set_level(logging.INFO)
    logging.getLogger("a.b").info("hello %s", 1)
    assert caplog.record_tuples == [("a.b", logging.INFO, "hello 1")]

def test_tmp_path(tmp_path, record_property):
    (tmp_path / "f").write_text("x")
    record_property("name", tmp_path.name)

def test_factory(tmp_path_factory, session_dir):
    assert session_dir.is_dir() and session_dir.name == "session"
    assert tmp_path_factory.mktemp("other").is_dir()

def test_tmpdir(tmpdir): tmpdir.join("x").write("y")

def test_monkeypatch(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/nowhere"); monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "getppid", lambda: 42); monkeypatch.syspath_prepend(str(tmp_path))
    assert os.getppid() == 42

def test_recwarn(recwarn):
    warnings.warn("one", UserWarning)
    assert len(recwarn) == 1

def test_cache(cache):
    cache.set("mine/value", [1, 2]); assert cache.get("mine/value", None) == [1, 2]

def test_request(request):
    assert request.node.name == "test_request" and request.config.rootpath
    request.addfinalizer(lambda: None)

def test_param(module_param, record_property): record_property("param", module_param)

def test_lazy(request): assert request.getfixturevalue("tmp_path").is_dir()

def test_doctest_namespace(doctest_namespace): doctest_namespace["x"] = 1

@pytest.mark.usefixtures("tmp_path")
class TestX:
    def test_subrequest(self, pytestconfig, record_xml_attribute, record_testsuite_property):
        record_testsuite_property("a", 1)
""",
    "pytest.ini": "[pytest]\nfilterwarnings =\n    ignore:record_xml_attribute\n",
}
SEEDED = """
import random
random.seed(42)
"""
RANDOM_TEST = """
import random
def test_a(record_property): record_property("number", random.random())
"""
NUMPY = """
import numpy, pytest, time
@pytest.fixture(scope="session")
def number(): return numpy.random.random()
@pytest.mark.parametrize("x", range(10))
def test_x(x, number, record_property):
    record_property("number", number)
    time.sleep(0.03)
"""
IDS = """
import pytest
@pytest.mark.parametrize("x", ["é", "日本", "a b", "[]", "::", "\\n", "\\x00", "\\ud800", "%s" % ("long" * 1500), "a/b", "\\U0001f600"])
def test_ids(x): assert x
@pytest.mark.parametrize("x", [1, 2], ids=["same", "same"])
def test_same(x): pass
@pytest.mark.parametrize("x", [1, 2], ids=["ünï", "ödd\\t"])
def test_names(x): assert x == 1
def test_ünïcode(): assert "ä" == "ö"
"""
DUPLICATES = {
    "pytest.ini": "[pytest]\naddopts = --keep-duplicates\n",
    "test_a.py": "def test_a(): pass\ndef test_b(): assert 0\n",
}
MOVES = """
import os, signal, sys, tempfile
def test_chdir(tmp_path): os.chdir(tmp_path)
def test_after_chdir(record_property):
    import json
    assert os.path.isdir(os.getcwd())
def test_chdir_removed():
    d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)
def test_after_removed(tmp_path): os.chdir(os.path.dirname(os.path.abspath(__file__)))
def test_path():
    sys.path[:] = [p for p in sys.path if p]
    sys.path.insert(0, "/nowhere"); sys.modules.pop("json", None)
def test_after_path():
    import json
    assert json.dumps([]) == "[]" and "/nowhere" in sys.path
def test_handler():
    signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGALRM, lambda *a: None)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def test_after_handler():
    os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGALRM)
def test_streams():
    sys.stdout = open(os.devnull, "w"); sys.stderr = sys.stdout
def test_close_stdin(): os.close(0)
def test_last(): assert sys.stdout
def test_environ(): os.environ.clear()
def test_after_environ(): assert "PATH" not in os.environ
def test_recursion(): sys.setrecursionlimit(5000)
def test_umask(): os.umask(0o77)
"""
SESSION = {
    "conftest.py": """
import os, pytest
def log(text):
    with open("log", "a") as f: f.write(text + "\\n")
@pytest.fixture(scope="session")
def server():
    log("up"); yield "s"; log("down")
@pytest.fixture(scope="module")
def module():
    log("module up"); yield; log("module down")
@pytest.fixture(scope="session", autouse=True)
def fails_at_end():
    yield
    if os.path.exists("fail"): raise RuntimeError("at the session's end")
""",
    "test_a.py": "def test_a(server, module): pass\ndef test_b(server, module): pass\n",
    "test_b.py": "def test_a(server, module): pass\ndef test_b(server, module): pass\n",
}


PRINTS = {
    "conftest.py": """
import os, pytest
@pytest.fixture(scope="session", autouse=True)
def server():
    print("said at the start"); yield; print("said at the end")
    if os.path.exists("fail"): raise RuntimeError("at the session's end")
""",
    "test_a.py": "def test_a(): pass\ndef test_b(): pass\n",
}


def balanced(run):
    log = (run.directory / "log").read_text().split("\n")
    ups, downs = log.count("up"), log.count("down")
    if not 1 <= ups <= 2 or ups != downs or log.count("module up") != log.count("module down"):
        return f"set up {ups} times, torn down {downs}: {log}"
    return None


def says(*texts):
    def check(run):
        return next((f"it does not say {t!r}" for t in texts if t not in run.output), None)

    return check


def forked(run):
    return "it fell back to cold workers" if "cold" in run.output else None


def same_in_all(name):
    return lambda run: None if len(set(run.values(name))) == 1 else f"{name} differs: {run.values(name)}"


CASES = [
    Case("builtin_fixtures", FIXTURES, lines=["passed"]),
    Case("builtin_fixtures_sys", FIXTURES, ["--capture=sys"], quick=False, why="capfd is of the descriptors"),
    Case("seed_in_conftest", {"conftest.py": SEEDED, "test_a.py": RANDOM_TEST, "test_b.py": "def test_b(): pass\n"}, n=1),
    Case("seed_in_conftest_two", {"conftest.py": SEEDED + "import pytest\n@pytest.fixture(scope='session')\n"
         "def first(): return random.random()\n", "test_a.py": "import pytest, time\n@pytest.mark.parametrize('x', range(8))\n"
         "def test_a(x, first, record_property):\n    record_property('number', first)\n    time.sleep(0.02)\n"}),
    Case("seed_in_test_module", {"test_a.py": SEEDED + RANDOM_TEST}, expect=forked),
    Case("seed_in_fixture", {"conftest.py": "import random, pytest\n@pytest.fixture(autouse=True)\n"
         "def seed(): random.seed(7)\n", "test_a.py": RANDOM_TEST, "test_b.py": RANDOM_TEST}, expect=forked),
    Case("seed_none", {"test_a.py": RANDOM_TEST, "test_b.py": RANDOM_TEST}, properties=False,
         expect=lambda run: None if len(set(run.values("number"))) == 2 else "two workers have the same numbers"),
    Case("numpy_seeded", {"conftest.py": "import numpy\nnumpy.random.seed(7)\n", "test_a.py": NUMPY}, needs=["numpy"]),
    Case("numpy_seeded_by_nobody", {"conftest.py": "import numpy\n", "test_a.py": NUMPY}, needs=["numpy"], properties=False,
         expect=lambda run: None if len(set(run.values("number"))) == 2 else f"{run.values('number')} of two workers"),
    Case("hash_seed", {"test_a.py": "def test_a(record_property): record_property('h', hash('x'))\n",
         "test_b.py": "def test_b(record_property): record_property('h', hash('x'))\n"}, properties=False,
         expect=same_in_all("h")),
    Case("hash_seed_given", {"test_a.py": "def test_a(record_property): record_property('h', hash('x'))\n",
         "test_b.py": "def test_b(record_property): record_property('h', hash('x'))\n"}, env={"PYTHONHASHSEED": "123"}),
    Case("odd_ids", {"test_a.py": IDS}, modes=("plain", "shunt"), why="xdist cannot say a lone surrogate", lines=["passed"]),
    Case("duplicates", DUPLICATES, ["test_a.py", "test_a.py"]),
    Case("moves", {"test_moves.py": MOVES}, n=1),
    Case("moves_two", {"test_moves.py": MOVES, "test_other.py": "import pytest\n@pytest.mark.parametrize('x', range(20))\n"
         "def test_x(x): pass\n"}, ["--dist", "loadfile"], like="", quick=False,
         expect=lambda run: None if run.status == 0 and run.outcomes["test_moves.py::test_after_handler", "passed"] else "differs"),
    Case("session_fixtures", SESSION, expect=balanced),
    Case("session_end_fails", {**SESSION, "fail": ""}, tests=False, expect=says("at the session's end")),
    Case("session_end_prints", PRINTS, modes=("plain", "shunt"), lines=["said|Captured|passed"]),
    Case("session_end_prints_one", PRINTS, ["-rP"], n=1, modes=("plain", "shunt"), lines=["passed"],
         expect=lambda run: "it is on the screen" if run.matching("^said at the end") else None),
    Case("session_end_prints_early", {**PRINTS, "test_a.py": "def test_a(): assert 0\ndef test_b(): pass\n"}, ["-x"], n=1,
         modes=("plain", "shunt"), lines=["said|Captured|failed"]),
    Case("session_end_prints_and_fails", {**PRINTS, "fail": ""}, n=1, modes=("plain", "shunt"), tests=False,
         lines=["said|Captured|RuntimeError"]),
    Case("unittest_class_fixtures", {"test_u.py": """
import unittest
def setUpModule(): print("module")
class A(unittest.TestCase):
    done = []
    @classmethod
    def setUpClass(cls): cls.done.append("c")
    @classmethod
    def tearDownClass(cls): cls.done.clear()
    def setUp(self): self.done.append("m")
    def test_1(self): assert self.done[0] == "c"
    def test_2(self): self.addCleanup(lambda: None); self.skipTest("no")
    def test_3(self): self.fail("x")
class B(unittest.IsolatedAsyncioTestCase):
    async def test_async(self): assert True
"""}, ["-rs"], lines=["SKIPPED|passed"]),
    Case("doctests", {"mod.py": '''
def f():
    """
    >>> f()
    1
    >>> 1 + 1
    3
    """
    return 1
def g():
    """
    >>> g()
    2
    """
    return 2
''', "text.txt": ">>> 1\n1\n"}, ["--doctest-modules", "--doctest-glob=*.txt"], lines=["^Expected|passed"]),
    Case("xunit_style", {"test_x.py": """
state = []
def setup_module(): state.append("module")
def teardown_function(): state.append("f")
def test_a(): assert state == ["module"]
class TestX:
    def setup_method(self): self.x = 1
    @classmethod
    def setup_class(cls): cls.y = 2
    def test_b(self): assert self.x + self.y == 3
"""}),
    Case("many_parameters", {"test_a.py": "import pytest\n@pytest.mark.parametrize('x', range(5000))\n"
         "def test_a(x): assert x % 1000\n"}, ["-q"], quick=False, modes=("plain", "shunt")),
    Case("fifty_thousand", {"test_a.py": "import pytest\n@pytest.mark.parametrize('x', range(50000))\n"
         "def test_a(x): assert x != 777\n"}, ["-q"], quick=False, modes=("plain", "shunt"), timeout=600),
    Case("warnings", {"test_a.py": """
import warnings, pytest
warnings.warn("at import")
class Mine(UserWarning): pass
def test_a(): warnings.warn("a", Mine)
def test_b(): warnings.warn("a", Mine)
@pytest.mark.filterwarnings("error")
def test_c(): warnings.warn("now an error")
def test_d(): warnings.warn_explicit("b", DeprecationWarning, "elsewhere.py", 3)
def test_unraisable():
    class D:
        def __del__(self): raise ValueError("in del")
    D()
def test_thread():
    import threading
    def f(): raise ValueError("in a thread")
    t = threading.Thread(target=f); t.start(); t.join()
"""}, lines=["Warning: |passed|^test_a.py::|ValueError"]),
    Case("sections", {"test_a.py": """
import logging, sys
def test_a():
    print("o"); print("e", file=sys.stderr); logging.warning("l"); assert 0
def test_b(): print("kept of a pass")
"""}, ["-rP"], lines=["Captured|^o$|^e$|WARNING|kept of"]),
    Case("log_cli", {"test_a.py": "import logging\ndef test_a(): logging.getLogger().warning('said live')\n"},
         ["-o", "log_cli=true"], quick=False),
    Case("log_file", {"test_a.py": "import logging\ndef test_a(): logging.getLogger().warning('to the file')\n"},
         ["--log-file=log.txt"], quick=False,
         expect=lambda run: None if "to the file" in (run.directory / "log.txt").read_text() else "the log file is empty"),
    Case("xdists_recipe_for_one_fixture", {"filelock.py": """
import fcntl
class FileLock:
    def __init__(self, path): self.path = path
    def __enter__(self): self.file = open(self.path, "w"); fcntl.flock(self.file, fcntl.LOCK_EX)
    def __exit__(self, *error): self.file.close()
""", "conftest.py": """
import json, os, pytest
from filelock import FileLock

@pytest.fixture(scope="session")
def session_data(tmp_path_factory, worker_id):
    if worker_id == "master":
        return produce()
    root_tmp_dir = tmp_path_factory.getbasetemp().parent
    fn = root_tmp_dir / "data.json"
    with FileLock(str(fn) + ".lock"):
        if fn.is_file():
            data = json.loads(fn.read_text())
        else:
            data = produce()
            fn.write_text(json.dumps(data))
    return data

def produce():
    with open("produced", "a") as f: f.write("once\\n")
    return {"a": 1}
""", "test_a.py": "import pytest, time\n@pytest.mark.parametrize('x', range(12))\ndef test_x(x, session_data):\n"
         "    time.sleep(0.03)\n    assert session_data == {'a': 1}\n"}, like="xdist", modes=("xdist", "shunt"),
         expect=lambda run: None if (run.directory / "produced").read_text() == "once\n" else "produced more than once"),
    Case("shunt_shared", {"conftest.py": """
import os, pytest
def log(text):
    with open("log", "a") as f: f.write(text + "\\n")

def make():
    log("made")
    return ("host", 5432, {"key": b"x"})

@pytest.fixture(scope="session")
def server(request):
    try:
        shared = request.getfixturevalue("shunt_shared")
    except pytest.FixtureLookupError:
        return make()
    return shared("server", make, cleanup=lambda value: log("cleaned %s" % value[0]))
""", "test_a.py": """
import os, pytest, time
@pytest.mark.parametrize("x", range(12))
def test_x(x, server):
    time.sleep(0.03)
    assert server == ("host", 5432, {"key": b"x"})
def test_kept(request):
    try: shared = request.getfixturevalue("shunt_shared")
    except pytest.FixtureLookupError: return
    assert shared("kept", lambda: 1) == 1 and shared("kept", lambda: 2) == 1
    with pytest.raises(ValueError): shared("unfit", lambda: object())
"""}, expect=lambda run: None if (run.directory / "log").read_text() == "made\ncleaned host\n" else
         (run.directory / "log").read_text()),
    Case("shunt_shared_after_a_death", {"test_a.py": """
import os, pytest, time
def make():
    with open("log", "a") as f: f.write("made\\n")
    return 1
@pytest.mark.parametrize("x", range(12))
def test_x(x, shunt_shared):
    assert shunt_shared("n", make, cleanup=lambda value: None) == 1
    time.sleep(0.02)
    if x == 3: os.kill(os.getpid(), 9)
"""}, like="", expect=lambda run: None if sum(n for (_, w), n in run.outcomes.items() if w == "passed") == 11 else "differs"),
]  # fmt: skip
