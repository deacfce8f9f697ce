# SPDX-License-Identifier: MIT
"""pytest's hooks: getting in, options, markers, and the run loop. All other modules are imported here, at once, so that
the plugin can take itself out of sys.path and the environment before a test runs."""
import io
import os
import sys
from typing import Any, Dict, Generator, List, Optional

import pytest

from . import (
    blackbox,
    channel,
    controller,
    coverage_support,
    cpu_share,
    debugger,
    hush,
    identity,
    inherit,
    nodes,
    options,
    reports,
    shared,
    suite,
    template,
    worker,
    xdist_hooks,
    xdist_module,
)
from .state import State

__all__ = [
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_load_initial_conftests",
    "pytest_cmdline_main",
    "pytest_configure",
    "pytest_sessionstart",
    "pytest_unconfigure",
    "pytest_runtestloop",
]

_modules = (channel, coverage_support, debugger, inherit, reports, template, worker)
_state = State()


def _hello() -> None:
    """The first message; a refusal makes this an ordinary pytest."""
    cell = os.environ.get("SHUNT_CELL")
    try:
        connection = channel.Channel.connect(os.environ["SHUNT_SOCKET"])
        hello = {
            "t": "hello",
            "v": 1,
            "role": "worker" if cell else "controller",
            "pid": os.getpid(),
            "framework": f"pytest {pytest.__version__}",
            "runtime": "Python " + sys.version.split()[0],
        }
        if cell:
            hello["cell"] = int(cell)
        connection.send(hello)
        answer = connection.recv()
    except FileNotFoundError:  # the first one came and is over
        _unsupervised("only the first session of a command is supervised")
        return
    except (OSError, channel.Closed) as error:
        _unsupervised(f"cannot reach shunt: {error}")
        return
    if answer.type != "welcome":
        _unsupervised(answer.header.get("why"))
        connection.close()
        return
    _state.channel = connection
    _state.asked_workers = int(answer.header.get("workers", 0))
    _state.node_inputs = nodes.loads(answer.payload)
    cpu_share.answer_cpu_count(answer.header.get("cpu_count", 0))
    _state.want_markers = bool(answer.header.get("markers"))
    _state.cold_worker = cell is not None


def _unsupervised(why: Any) -> None:
    print(f"shunt: this pytest runs unsupervised: {why}; give each a shunt run of its own", file=sys.stderr)


def _has_xdist(pluginmanager: Any) -> bool:
    """As an entry point, or named by `-p xdist.plugin` where entry points are not loaded."""
    return bool(pluginmanager.has_plugin("xdist.plugin") or hasattr(pluginmanager.get_plugin("xdist"), "pytest_addhooks"))


def pytest_addhooks(pluginmanager: Any) -> None:
    if not _has_xdist(pluginmanager):
        pluginmanager.add_hookspecs(xdist_hooks)
        xdist_module.stand_in()


def pytest_addoption(parser: Any, pluginmanager: Any) -> None:
    options.add_options(parser, _has_xdist(pluginmanager))
    parser.addini("shunt_serial_markers", type="linelist", default=[], help="further markers of shunt's serial lane")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: Any) -> Generator[None, None, None]:
    if _state.channel is None and "SHUNT_SOCKET" in os.environ:
        _hello()
    _leave_environment()
    if _state.channel is not None:
        _state.early_exit = blackbox.EarlyExit(str(early_config.rootpath))
        _state.options.neutralise(early_config.known_args_namespace)
        if _state.cold_worker:
            early_config.workerinput = _cold_identity()
            coverage_support.keep_files(early_config.known_args_namespace)
            early_config.pluginmanager.register(hush.Hush(), "shunt-hush")
        else:
            _state.early_reads = identity.EarlyReads()
            _state.seed_watch = identity.SeedWatch()
    else:
        options.only_xdists_own(early_config.known_args_namespace)
    yield


def _cold_identity() -> Dict[str, Any]:
    """A cold worker knows its name before a conftest is imported, as under xdist."""
    return {
        "workerid": os.environ["PYTEST_XDIST_WORKER"],
        "workercount": int(os.environ["PYTEST_XDIST_WORKER_COUNT"]),
        "testrunuid": os.environ["PYTEST_XDIST_TESTRUNUID"],
        "mainargv": sys.argv,
        **_state.node_inputs.get(os.environ["PYTEST_XDIST_WORKER"], {}),
        **coverage_support.cold_identity(),
    }


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_cmdline_main(config: Any) -> Generator[None, None, None]:
    if _state.channel is not None:
        _state.options.neutralise(config.option)
    yield


def _drop_first(name: str, separator: str) -> None:
    """Our own part stands first in PYTHONPATH and PYTEST_PLUGINS; what the user had stays."""
    rest = os.environ.get(name, "").split(separator)[1:]
    if rest:
        os.environ[name] = separator.join(rest)
    else:
        os.environ.pop(name, None)


def _leave_environment() -> None:
    """A pytest that a test starts is an ordinary one."""
    if "SHUNT_SOCKET" not in os.environ:
        return
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if os.environ.get("PYTHONPATH", "").split(os.pathsep)[0] == here:
        _drop_first("PYTHONPATH", os.pathsep)
    if os.environ.get("PYTEST_PLUGINS", "").split(",")[0] == "shunt_plugin":
        _drop_first("PYTEST_PLUGINS", ",")
    for name in ("SHUNT_SOCKET", "SHUNT_CELL"):
        os.environ.pop(name, None)
    sys.path[:] = [p for p in sys.path if p != here]


class _XdistFixtures:
    """What xdist would provide, where it is not installed."""

    @pytest.fixture(scope="session")
    def worker_id(self, request: Any) -> str:
        """The name of this worker: "gw0"; "master" outside of workers."""
        return str(getattr(request.config, "workerinput", {}).get("workerid", "master"))

    @pytest.fixture(scope="session")
    def testrun_uid(self, request: Any) -> str:
        """The id of this run, the same in all workers."""
        return str(getattr(request.config, "workerinput", {}).get("testrunuid", _state.run_id))


class _Fixtures:
    @pytest.fixture(scope="session")
    def shunt_shared(self, tmp_path_factory: Any) -> Generator[shared.Shared, None, None]:
        """Something that one worker makes and all use: shunt_shared(name, make, cleanup=None)."""
        values = shared.Shared(tmp_path_factory.getbasetemp().parent / "shunt-shared")
        yield values
        values.close()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    for line in suite.MARKER_HELP:
        config.addinivalue_line("markers", line)
    config.pluginmanager.register(_Fixtures(), "shunt-fixtures")
    if not _has_xdist(config.pluginmanager):
        config.pluginmanager.register(_XdistFixtures(), "shunt-xdist-fixtures")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: Any) -> None:
    """A cold worker collects in silence: what it finds has been shown by the first process."""
    writer = getattr(session.config.pluginmanager.getplugin("terminalreporter"), "_tw", None)
    if _state.cold_worker and writer is not None:
        _state.unseen = writer._file = io.StringIO()


def pytest_unconfigure() -> None:
    """Reached by a cold worker that did not come to its tests: what it had to say is why."""
    if _state.unseen is not None:
        sys.stderr.write(_state.unseen.getvalue())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: Any) -> Optional[bool]:
    """Takes the loop over, unless there is nothing to run or pytest has its own word to say about it."""
    if _state.early_exit is not None:
        _state.early_exit.remove()
        _state.early_exit = None
    if _state.channel is None or os.getpid() != _state.pid or session.config.option.collectonly:
        return None
    if session.testsfailed and not session.config.option.continue_on_collection_errors:
        return None
    if _state.cold_worker:
        worker.run_cold(session, _state)
    items: List[Any] = session.items
    if not items:
        return None
    return controller.Controller(session, _state).run()
