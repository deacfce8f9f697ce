# SPDX-License-Identifier: MIT
"""What pytest-xdist offers: identity, distribution, hooks. "like" is xdist where plain pytest has no such thing."""
import re

from compare import Case

TWELVE = "import pytest, time\n@pytest.mark.parametrize('x', range(12))\ndef test_x(x): time.sleep(0.02)\n"
IDENTITY = """
import os, re, sys
import pytest
import xdist

@pytest.mark.parametrize("x", range(8))
def test_identity(x, worker_id, testrun_uid, request, record_property):
    config = request.config
    assert re.fullmatch(r"gw\\d+", worker_id) and os.environ["PYTEST_XDIST_WORKER"] == worker_id
    assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "2"
    assert os.environ["PYTEST_XDIST_TESTRUNUID"] == testrun_uid == config.workerinput["testrunuid"]
    assert config.workerinput["workerid"] == worker_id and config.workerinput["workercount"] == 2
    assert "mainargv" in config.workerinput and isinstance(config.workeroutput, dict)
    assert xdist.is_xdist_worker(request) and not xdist.is_xdist_controller(request)
    assert xdist.get_xdist_worker_id(request.session) == worker_id
    record_property("uid", testrun_uid)
    record_property("worker", worker_id)
"""
MASTER = """
import os
import xdist
def test_master(worker_id, request, record_property):
    assert worker_id == "master" and not xdist.is_xdist_worker(request)
    assert "PYTEST_XDIST_WORKER" not in os.environ and not hasattr(request.config, "workerinput")
"""
# Each test says which worker it is on; the check is of who shares one.
SAYS = """
import os, time
import pytest
class Says:
    @pytest.fixture(autouse=True)
    def says(self, record_property):
        record_property("worker", os.environ.get("PYTEST_XDIST_WORKER", "none"))
        time.sleep(0.01)
"""
SCOPES = (
    SAYS
    + """
class TestA(Says):
    @pytest.mark.parametrize("x", range(6))
    def test_a(self, x): pass
class TestB(Says):
    @pytest.mark.parametrize("x", range(6))
    def test_b(self, x): pass
"""
)
GROUPS = (
    SAYS
    + """
class TestAny(Says):
    @pytest.mark.parametrize("x", range(12))
    def test_any(self, x): pass
    @pytest.mark.parametrize("x", [pytest.param(i, marks=pytest.mark.xdist_group("one" if i % 2 else "two")) for i in range(12)])
    def test_grouped(self, x): pass
    @pytest.mark.xdist_group(name="one")
    def test_last(self): pass
"""
)
HOOKS = """
import os
import pytest
def say(text):
    with open("hooks.txt", "a") as file: file.write(text + "\\n")
def pytest_xdist_setupnodes(config, specs): say(f"setupnodes {len(specs)}")
def pytest_xdist_newgateway(gateway): say(f"newgateway {gateway.id}")
def pytest_configure_node(node):
    say(f"configure {node.gateway.id}")
    node.workerinput["mine"] = {"name": node.gateway.id, "tuple": (1, 2), "bytes": b"x", 3: None}
def pytest_testnodeready(node): say(f"ready {node.gateway.id}")
def pytest_xdist_node_collection_finished(node, ids): say(f"collected {node.gateway.id} {len(ids)}")
def pytest_testnodedown(node, error):
    say(f"down {node.gateway.id} {error} {node.workeroutput['said']}")
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["said"] = ("bye", session.config.workerinput["workerid"])
@pytest.fixture
def mine(request): return request.config.workerinput["mine"]
"""
USES_INPUT = """
import pytest, time
@pytest.mark.parametrize("x", range(8))
def test_x(x, mine, worker_id):
    time.sleep(0.1)  # a worker that comes when all tests are done has no session, and is not said to end
    assert mine == {"name": worker_id, "tuple": (1, 2), "bytes": b"x", 3: None}
"""
NO_XDIST = ["-p", "no:xdist"]


def hooks_called(run):
    said = sorted((run.directory / "hooks.txt").read_text().splitlines())
    wanted = ["setupnodes 2"]
    for name in ("gw0", "gw1"):
        wanted += [f"newgateway {name}", f"configure {name}", f"ready {name}", f"collected {name} 8"]
        wanted += [f"down {name} None ('bye', '{name}')"]
    return None if said == sorted(wanted) else f"hooks: {said}"


def together(*keys):
    """Tests with the same one of these words in their id share a worker."""

    def check(run):
        for key in keys:
            workers = {dict(map(tuple, p)).get("worker") for i, p in run.properties.items() if key(i)}
            if len(workers) != 1:
                return f"workers of one group: {sorted(map(str, workers))}"
        return None

    return check


def within(*parts):
    return together(*[lambda i, p=p: p in i for p in parts])


def group(odd):
    return lambda i: "test_grouped" in i and int(i[i.index("[") + 1 : -1]) % 2 == odd or bool(odd and "test_last" in i)


def workers(count):
    def check(run):
        found = next((e for e in run.events if e["event"] == "run-start"), {})
        return None if found.get("workers") == count else f"{found.get('workers')} workers, not {count}"

    return check


def says(*texts):
    return lambda run: next((f"it does not say {t!r}" for t in texts if t not in run.output), None)


def whole_lines(run):
    lines = [line for line in run.output.splitlines() if "one" in line]
    return None if sum(bool(re.match(r"\[gw[01]\] one \d+ two$", line)) for line in lines) == 12 else "lines are in pieces"


def both_workers_ran_all(run):
    ran = {}
    for entry in run.entries:
        if entry["when"] == "call":
            ran.setdefault(dict(map(tuple, entry["properties"]))["worker"], set()).add(entry["id"])
    return None if len(ran) == 2 and len(set(map(len, ran.values()))) == 1 else f"{ {k: len(v) for k, v in ran.items()} }"


AUTO = {"shunt_args": ["-n", "auto"]}
CASES = [
    Case("identity", {"test_a.py": IDENTITY}, like="xdist", properties=False, modes=("xdist", "shunt")),
    Case("identity_without_xdist", {"test_a.py": IDENTITY}, NO_XDIST, like="",
         expect=lambda run: None if run.status == 0 and len(run.outcomes) == 8 else "the tests do not pass"),
    Case("identity_xdist_by_p", {"test_a.py": IDENTITY}, ["-p", "xdist.plugin"], env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
         like="xdist", properties=False, modes=("xdist", "shunt")),
    Case("no_workers", {"test_a.py": MASTER}, ["-n0"], n=1, like="xdist", shunt_args=["--quiet"], xdist_args=[], why="-n 0"),
    Case("n_in_addopts", {"test_a.py": TWELVE, "pytest.ini": "[pytest]\naddopts = -n 3 --dist worksteal --max-worker-restart=3\n"},
         NO_XDIST, like="", shunt_args=["--workers-of-the-suite"][:0], expect=says("12 passed")),
    Case("addopts_of_the_environment", {"test_a.py": TWELVE}, NO_XDIST, like="", n=0, env={"PYTEST_ADDOPTS": "-n 3 --dist=loadfile"},
         expect=workers(3)),
    Case("each", {"test_a.py": SAYS + "class TestA(Says):\n    def test_a(self): pass\n    def test_b(self): pass\n"},
         ["--dist", "each"], like="xdist", properties=False, modes=("xdist", "shunt"), xdist_args=["-n2"],
         expect=both_workers_ran_all),
    Case("loadscope", {"test_a.py": SCOPES, "test_b.py": SCOPES}, ["--dist", "loadscope"], properties=False, like="xdist",
         expect=within("test_a.py::TestA", "test_a.py::TestB", "test_b.py::TestA", "test_b.py::TestB")),
    Case("loadfile", {"test_a.py": SCOPES, "test_b.py": SCOPES}, ["--dist", "loadfile"], properties=False, like="xdist",
         expect=within("test_a.py", "test_b.py")),
    Case("loadgroup", {"test_a.py": GROUPS}, ["--dist", "loadgroup"], properties=False, like="xdist",
         expect=together(group(0), group(1))),
    Case("worksteal_keeps_groups", {"test_a.py": GROUPS}, [*NO_XDIST, "--dist", "worksteal"], properties=False, like="",
         why="xdist's worksteal ignores groups", expect=together(group(0), group(1))),
    Case("load_keeps_groups", {"test_a.py": GROUPS}, properties=False, expect=together(group(0), group(1))),
    Case("loadfile_keeps_groups", {"test_a.py": GROUPS, "test_b.py": GROUPS}, [*NO_XDIST, "--dist", "loadfile"],
         properties=False, like="", expect=together(group(0), group(1))),
    Case("group_of_a_conftest", {"test_a.py": GROUPS.replace("xdist_group", "mine"), "conftest.py":
         "import pytest\ndef pytest_collection_modifyitems(items):\n    for i in items:\n        m = i.get_closest_marker('mine')\n"
         "        if m: i.add_marker(pytest.mark.xdist_group(name=(m.args or m.kwargs.values()).__iter__().__next__()))\n"
         "def pytest_configure(config): config.addinivalue_line('markers', 'mine(name)')\n"},
         properties=False, why="too late for xdist", expect=together(group(0), group(1))),
    Case("hooks", {"conftest.py": HOOKS, "test_a.py": USES_INPUT}, like="xdist", modes=("xdist", "shunt"), expect=hooks_called),
    Case("hooks_without_xdist", {"conftest.py": HOOKS, "test_a.py": USES_INPUT}, NO_XDIST, like="", expect=hooks_called),
    Case("hooks_cold", {"conftest.py": HOOKS + "\ndef pytest_configure(config):\n    config.cold = hasattr(config, 'workerinput')"
         " and config.workerinput['mine']\n", "test_a.py": USES_INPUT}, like="xdist", modes=("xdist", "shunt"),
         expect=hooks_called),
    Case("crash_hooks", {"conftest.py": """
def pytest_handlecrashitem(crashitem, report, sched):
    sched.mark_test_pending(crashitem)
    report.sections.append(("from the hook", "crashed: " + crashitem))
def pytest_testnodedown(node, error):
    if error: print("node", node.gateway.id, "went down:", error)
""", "test_a.py": "import os\ndef test_a(): pass\ndef test_dies(): os.kill(os.getpid(), 9)\ndef test_b(): pass\n"},
         ["-s"], like="", expect=says("from the hook", "crashed: test_a.py::test_dies", "went down: ", "2 passed")),
    Case("scheduler_hook", {"conftest.py": "def pytest_xdist_make_scheduler(config, log): raise RuntimeError('called')\n",
         "test_a.py": TWELVE}, NO_XDIST, like="", expect=says("conftest.py:1: pytest_xdist_make_scheduler is not used", "12 passed")),
    Case("auto_hook", {"conftest.py": "def pytest_xdist_auto_num_workers(config): return 3\n", "test_a.py": TWELVE,
         "pytest.ini": "[pytest]\naddopts = -n auto\n"}, NO_XDIST, like="", n=0, expect=workers(3)),
    Case("auto_environment", {"test_a.py": TWELVE}, [*NO_XDIST, "-n", "auto"], like="", n=0,
         env={"PYTEST_XDIST_AUTO_NUM_WORKERS": "4"}, expect=workers(4)),
    Case("maxprocesses", {"test_a.py": TWELVE}, [*NO_XDIST, "-n", "auto", "--maxprocesses", "1"], like="", n=0, expect=workers(1)),
    Case("tx", {"test_a.py": TWELVE}, [*NO_XDIST, "-d", "--tx", "2*popen", "--tx", "popen"], like="", n=0, expect=workers(3)),
    Case("tx_elsewhere", {"test_a.py": TWELVE}, [*NO_XDIST, "-d", "--tx", "ssh=host"], like="", n=0, tests=False, quick=False,
         expect=lambda run: None if run.status == 4 and "--tx ssh=host: expected popen" in run.output else "no usage error"),
    Case("rsync", {"test_a.py": TWELVE, "pytest.ini": "[pytest]\nrsyncdirs = a\nlooponfailroots = b\n"},
         [*NO_XDIST, "-W", "error", "--rsyncdir", "x"], like="", quick=False, expect=says("12 passed")),
    Case("maxfail", {"test_a.py": "import pytest, time\n@pytest.mark.parametrize('x', range(40))\ndef test_x(x):\n"
         "    time.sleep(0.02)\n    assert 0\n"}, ["--maxfail=3"], like="", expect=lambda run: None
         if 3 <= sum(run.outcomes.values()) <= 4 else f"{sum(run.outcomes.values())} failures"),
    Case("restart_budget", {"test_a.py": "import os, pytest\n@pytest.mark.parametrize('x', range(8))\ndef test_x(x): os._exit(3)\n"},
         [*NO_XDIST, "--max-worker-restart=2"], like="", expect=says("restart budget of 2 is spent", "not-run")),
    Case("last_words", {"test_a.py": "import os\ndef test_a():\n    print('said before it died')\n    os.kill(os.getpid(), 11)\n"},
         like="", expect=says("said before it died", "SIGSEGV")),
    Case("controller_role", {"conftest.py": """
import xdist
def pytest_sessionfinish(session):
    if xdist.is_xdist_controller(session):
        with open("role.txt", "a") as f: f.write("controller\\n")
""", "test_a.py": TWELVE}, like="xdist", modes=("xdist", "shunt"), expect=lambda run: None
         if (run.directory / "role.txt").read_text() == "controller\n" else "not one controller"),
    Case("live_output", {"test_a.py": TWELVE.replace("time.sleep(0.02)", "print('hello', x); time.sleep(0.05)")}, ["-s"], like="",
         expect=lambda run: None if
         sum(run.matching(r"^\[gw[01]\] hello \d+$").values()) == 12 else "lines lack the worker's name"),
    Case("lines_are_whole", {"test_a.py": TWELVE.replace("time.sleep(0.02)", "print('one', x, 'two'); time.sleep(0.02)")},
         ["-s"], env={"PYTHONUNBUFFERED": "1"}, like="", expect=whole_lines),
    Case("lines_are_whole_cold", {"test_a.py": TWELVE.replace("time.sleep(0.02)", "print('one', x, 'two'); time.sleep(0.02)")},
         ["-s"], env={"PYTHONUNBUFFERED": "1"}, like="", shunt_args=["--fork-server=off"], quick=False, expect=whole_lines),
]  # fmt: skip
