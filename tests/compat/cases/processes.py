# SPDX-License-Identifier: MIT
"""asyncio, processes and threads in tests, and what was opened while collecting: the traps of forking after it."""
from compare import Case

MULTIPROCESSING = """
import concurrent.futures, multiprocessing as mp, os, subprocess, sys, threading
import pytest

def double(x): return 2 * x
def put(queue, x): queue.put(x)

@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_process(method):
    context = mp.get_context(method)
    queue = context.Queue()
    process = context.Process(target=put, args=(queue, 7)); process.start()
    assert queue.get(timeout=30) == 7
    process.join(); assert process.exitcode == 0

@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pool(method):
    with mp.get_context(method).Pool(2) as pool: assert pool.map(double, range(5)) == [0, 2, 4, 6, 8]

def test_executor():
    with concurrent.futures.ProcessPoolExecutor(2) as pool: assert list(pool.map(double, [1, 2])) == [2, 4]

def test_manager():
    with mp.Manager() as manager: assert manager.dict(a=1)["a"] == 1

def test_shared_memory():
    from multiprocessing import shared_memory
    memory = shared_memory.SharedMemory(create=True, size=16); memory.buf[0] = 5
    memory.close(); memory.unlink()

def test_terminate():
    process = mp.get_context("fork").Process(target=threading.Event().wait); process.start(); process.terminate()
    process.join(30); assert process.exitcode == -15

def test_subprocess_tree():
    out = subprocess.run("sh -c 'echo a; (echo b; sh -c \\"echo c\\")'", shell=True, capture_output=True, text=True)
    assert out.stdout.split() == ["a", "b", "c"]

def test_same_interpreter():
    out = subprocess.run([sys.executable, "-c", "import os; print(os.environ.get('SHUNT_SOCKET'))"], capture_output=True, text=True)
    assert out.stdout.strip() == "None"

def test_pytest_in_a_test(tmp_path):
    (tmp_path / "test_in.py").write_text("def test_a(): pass")
    out = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)], capture_output=True,
                         text=True, env={k: v for k, v in os.environ.items() if k != "COMPAT_REPORT"})
    assert "1 passed" in out.stdout and "shunt" not in out.stdout + out.stderr

def test_fork():
    pid = os.fork()
    if pid == 0: os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3

def test_fork_that_returns():
    # A child that runs on in the test must not be taken for the worker.
    pid = os.fork()
    if pid: assert os.waitpid(pid, 0)[0] == pid
    else: os._exit(0)

def test_threads():
    with concurrent.futures.ThreadPoolExecutor(4) as pool: assert sum(pool.map(double, range(10))) == 90
"""
ASYNCIO = """
import asyncio, unittest
def test_run(): assert asyncio.run(asyncio.sleep(0, 5)) == 5
def test_subprocess():
    async def f():
        p = await asyncio.create_subprocess_exec("echo", "x", stdout=asyncio.subprocess.PIPE)
        return (await p.communicate())[0]
    assert asyncio.run(f()) == b"x\\n"
def test_signal():
    import os, signal
    async def f():
        event = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, event.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(event.wait(), 30)
    asyncio.run(f())
def test_executor():
    async def f(): return await asyncio.get_running_loop().run_in_executor(None, sum, [1, 2])
    assert asyncio.run(f()) == 3
class T(unittest.IsolatedAsyncioTestCase):
    async def test_a(self): await asyncio.sleep(0)
"""
SQLITE = """
import sqlite3
db = sqlite3.connect("data.db", isolation_level=None, timeout=30)
db.execute("create table if not exists t (x)")
"""
USES_SQLITE = """
import pytest, conftest
@pytest.mark.parametrize("x", range(20))
def test_x(x):
    conftest.db.execute("insert into t values (?)", (x,))
    assert (x,) in conftest.db.execute("select x from t").fetchall()
"""
SOCKET = """
import socket
listener = socket.create_server(("127.0.0.1", 0))
def port(): return listener.getsockname()[1]
"""
USES_SOCKET = """
import pytest, socket, conftest
@pytest.mark.parametrize("x", range(10))
def test_x(x):
    client = socket.create_connection(("127.0.0.1", conftest.port()))
    server, _ = conftest.listener.accept()
    client.sendall(b"%d." % x)
    assert server.recv(10) == b"%d." % x
    client.close(); server.close()
"""
TEMPORARY = """
import atexit, os, tempfile, weakref
directory = tempfile.TemporaryDirectory()
path = os.path.join(directory.name, "file")
open(path, "w").write("kept")
atexit.register(lambda: open("ended", "a").write("x"))
handle = open(path)
logfile = open("log.txt", "w"); logfile.write("buffered before the fork\\n")
"""
USES_TEMPORARY = """
import os, pytest, time, conftest
@pytest.mark.parametrize("x", range(10))
def test_x(x):
    time.sleep(0.02)
    assert open(conftest.path).read() == "kept"
@pytest.mark.serial
def test_serial(): assert os.path.exists(conftest.path)
"""


def cold(reason):
    return lambda run: None if reason in run.output and "cold" in run.output else f"no line says {reason!r} and cold workers"


def forked(run):
    return "it fell back to cold workers" if "cold workers" in run.output else None


def lines_once(name, text):
    return lambda run: None if (run.directory / name).read_text().count(text) == 1 else f"{name}: {text!r} more than once"


CASES = [
    Case("multiprocessing", {"test_a.py": MULTIPROCESSING}, expect=forked, timeout=300),
    Case("multiprocessing_cold", {"test_a.py": MULTIPROCESSING}, shunt_args=["--fork-server=off"], quick=False, timeout=300),
    Case("asyncio", {"test_a.py": ASYNCIO}, expect=forked),
    Case("sqlite_while_collecting", {"conftest.py": SQLITE, "test_a.py": USES_SQLITE},
         expect=cold("the SQLite database data.db was opened while collecting")),
    Case("socket_while_collecting", {"conftest.py": SOCKET, "test_a.py": USES_SOCKET},
         expect=cold("a socket that listens at 127.0.0.1:")),
    Case("connection_while_collecting", {"conftest.py": "import socket, threading\nlistener = socket.create_server(('127.0.0.1', 0))\n"
         "client = socket.create_connection(listener.getsockname())\nserver, _ = listener.accept()\nlistener.close()\n",
         "test_a.py": "import pytest, conftest\n@pytest.mark.parametrize('x', range(10))\ndef test_x(x):\n"
         "    conftest.client.sendall(b'%d.' % x)\n    assert conftest.server.recv(10) == b'%d.' % x\n"},
         expect=cold("a connection to 127.0.0.1:")),
    Case("closed_again_while_collecting", {"conftest.py": "import socket, sqlite3\nsocket.create_server(('127.0.0.1', 0)).close()\n"
         "db = sqlite3.connect(':memory:')\nsqlite3.connect('data.db').close()\na, b = socket.socketpair()\n",
         "test_a.py": "import conftest\ndef test_a(): assert conftest.db.execute('select 1').fetchone() == (1,)\n"}, expect=forked),
    Case("loop_while_collecting", {"conftest.py": "import asyncio\nloop = asyncio.new_event_loop()\n", "test_a.py":
         "import asyncio, pytest, conftest\n@pytest.mark.parametrize('x', range(8))\ndef test_x(x):\n"
         "    assert conftest.loop.run_until_complete(asyncio.sleep(0.01, x)) == x\n"}),
    Case("thread_while_collecting", {"conftest.py": "import threading, queue\nq, r = queue.Queue(), queue.Queue()\n"
         "def serve():\n    while True: r.put(q.get() * 2)\nthreading.Thread(target=serve, daemon=True).start()\n",
         "test_a.py": "import pytest, conftest\n@pytest.mark.parametrize('x', range(8))\ndef test_x(x):\n"
         "    conftest.q.put(x)\n    assert conftest.r.get(timeout=30) == 2 * x\n"}, expect=cold("was started while collecting")),
    Case("pool_while_collecting", {"conftest.py": "import concurrent.futures\n"
         "pool = concurrent.futures.ThreadPoolExecutor(2)\npool.submit(int).result()\n",
         "test_a.py": "import pytest, conftest\n@pytest.mark.parametrize('x', range(8))\ndef test_x(x):\n"
         "    assert conftest.pool.submit(lambda: x).result(30) == x\n"}, expect=cold("was started while collecting")),
    Case("process_pool_while_collecting", {"conftest.py": "import multiprocessing\npool = multiprocessing.Pool(1)\n",
         "test_a.py": "import pytest, conftest\n@pytest.mark.parametrize('x', range(4))\ndef test_x(x):\n"
         "    assert conftest.pool.apply_async(abs, (x,)).get(30) == x\n"}, expect=cold("was started while collecting")),
    Case("temporary_files_while_collecting", {"conftest.py": TEMPORARY, "test_a.py": USES_TEMPORARY,
         "pytest.ini": "[pytest]\nmarkers = serial\n"}, expect=lines_once("log.txt", "buffered before")),
    Case("lock_while_collecting", {"conftest.py": "import threading\nlock = threading.RLock()\nlock.acquire()\n",
         "test_a.py": "import pytest, conftest\n@pytest.mark.parametrize('x', range(4))\ndef test_x(x):\n"
         "    assert conftest.lock.acquire(timeout=5)\n"}),
    Case("worker_read_at_import", {"conftest.py": "import os\nWORKER = os.environ.get('PYTEST_XDIST_WORKER', 'none')\n",
         "test_a.py": "import os, pytest, conftest\n@pytest.mark.parametrize('x', range(8))\ndef test_x(x):\n"
         "    assert conftest.WORKER == os.environ['PYTEST_XDIST_WORKER']\n"}, like="xdist", modes=("xdist", "shunt"),
         expect=cold("conftest.py:2 reads PYTEST_XDIST_WORKER")),
    Case("stdout_bound_at_import", {"conftest.py": "import sys\nout = sys.stdout\n", "test_a.py":
         "import conftest\ndef test_a(capsys):\n    print('x', file=conftest.out)\ndef test_b():\n"
         "    print('seen at failure', file=conftest.out)\n    assert 0\n"}, lines=["^seen at"]),
    Case("log_handler_bound_at_import", {"conftest.py": "import logging, sys\nlogging.basicConfig(stream=sys.stderr, level=10)\n"
         "log = logging.getLogger('x')\n", "test_a.py": "import conftest, pytest\n@pytest.mark.parametrize('x', range(6))\n"
         "def test_x(x):\n    conftest.log.info('logged %d', x)\n    assert x < 5\n"}, lines=["logged 5"]),
    Case("named_session_directory", {"conftest.py": "import pytest, time\n@pytest.fixture(scope='session')\n"
         "def d(tmp_path_factory): return tmp_path_factory.mktemp('data', numbered=False)\n", "test_a.py":
         "import pytest, time\n@pytest.mark.parametrize('x', range(8))\ndef test_x(x, d):\n    time.sleep(0.02)\n"
         "    (d / str(x)).write_text('')\n"}),
    Case("long_teardown_of_a_session", {"conftest.py": "import pytest, time\n@pytest.fixture(scope='session', autouse=True)\n"
         "def f():\n    yield\n    time.sleep(0.5)\n    open('torn_down', 'a').write('x')\n", "test_a.py": "def test_a(): pass\n"},
         expect=lambda run: None if (run.directory / "torn_down").exists() else "no teardown"),
    Case("silent_collection_of_cold_workers", {"test_a.py": "def test_a(): pass\ndef test_b(): pass\n"}, ["-v"],
         shunt_args=["--fork-server=off"], expect=lambda run: None if run.output.count("rootdir: ") == 1 else "headers of workers"),
    Case("cold_worker_that_cannot_collect", {"conftest.py": "import os\nif os.environ.get('PYTEST_XDIST_WORKER'):\n"
         "    raise RuntimeError('broken in workers')\n", "test_a.py": "def test_a(): pass\ndef test_b(): pass\n"}, like="",
         quick=False, expect=lambda run: None if "broken in workers" in run.output and run.status == 3 else "nobody says why"),
]  # fmt: skip
