# SPDX-License-Identifier: MIT
"""A worker: runs one test at a time, and waits between two of them until what it did has been judged."""
import errno
import gc
import os
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Set, Tuple

import pytest

from . import benchmark_support, blackbox, cpu_share, debugger, inherit, listeners, nodes, reports, shared_pools, suite
from .channel import Channel, Closed, Message, printable
from .coverage_support import WorkerCoverage
from .state import State

# These write the user's files or the user's screen, which is the controller's work.
REPORTERS = ("terminalreporter", "pastebin", "junitxml", "html", "json", "instafail", "sugar", "metadata-report")
MAX_KEPT = 256
MAX_KEPT_FILES = 64
LOST_CHANNEL = 73  # exit status: docs/protocol.md
TEXT_LIMIT = 32 << 10


def _tasks() -> Set[int]:
    """Ids of the tasks of this process and of its children's processes."""
    found: Set[int] = set()
    try:
        for tid in os.listdir("/proc/self/task"):
            found.add(int(tid))
            with open(f"/proc/self/task/{tid}/children") as file:
                found.update(map(int, file.read().split()))
    except (OSError, ValueError):
        pass
    return found


def _tmp_changed() -> int:
    try:
        return os.stat("/tmp").st_mtime_ns
    except OSError:
        return 0


def _new_in_tmp(since_ns: int) -> Set[str]:
    """Names of what was made there since then. Time stamps of files are coarse."""
    found: Set[str] = set()
    try:
        with os.scandir("/tmp") as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_ctime_ns >= since_ns - 10_000_000:
                    found.add(entry.name)
    except OSError:
        pass
    return found


def _where(error: BaseException) -> str:
    """The line that raised it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback is not None else "?"


class SilentReporter:
    """Stands in for the terminal reporter: plugins and options that write through it are heard by nobody. It has no hooks:
    what it does not have itself comes from the real one, where pytest does not look for them."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter
        writer = getattr(reporter, "_tw", None)
        if writer is not None:
            # --setup-show writes while capture is suspended: what goes to descriptor 1 then is shown, as with -s.
            shows = getattr(getattr(reporter, "config", None), "option", None)
            target = 1 if getattr(shows, "setupshow", False) else os.devnull
            writer._file = open(target, "w", encoding="utf-8", closefd=target != 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reporter, name)


class Worker:
    """Registered as a plugin in the worker's copy of pytest."""

    def __init__(self, session: Any, state: State, channel: Channel) -> None:
        self.session = session
        self.config = session.config
        self.state = state
        self.channel = channel
        self.pid = os.getpid()
        self.reports: List[Any] = []
        self.warnings: List[Dict[str, Any]] = []
        self.keywords: Dict[str, int] = {}  # of the running test, as its reports will have them
        # A plugin that has its own way with reports sees each of them.
        self.compact = len(self.config.hook.pytest_report_to_serializable.get_hookimpls()) == 1
        self.os_error: Optional[Tuple[int, str, bool]] = None  # the running test failed with: errno, source line, a file?
        self.kept: Set[int] = set()
        self.kept_files: Set[str] = set()  # names in /tmp
        self.known: Set[int] = {os.getpid()}  # tasks that earlier tests left
        self.last_item: Optional[Any] = None
        self.ends_run = False  # its last test asked for that
        self.coverage: Optional[WorkerCoverage] = None
        self.box: Optional[blackbox.BlackBox] = None
        self.sockets: Optional[listeners.Listeners] = None
        self.debugger: Optional[debugger.Debugger] = None
        self.generation = 0
        self.input: Dict[str, Any] = {}  # config.workerinput, unless tests are not to know that they run in a worker

    # -- becoming one --

    def quiet(self) -> None:
        """Takes out what must not speak for the user in a worker."""
        manager = self.config.pluginmanager
        for name, plugin in list(manager.list_name_plugin()):
            kind = type(plugin).__name__
            if plugin is not None and (name in REPORTERS or kind in ("LogXML", "TerminalReporter", "HTMLReport")):
                manager.unregister(plugin)
                if name == "terminalreporter":
                    manager.register(SilentReporter(plugin), name)
        manager.register(self, "shunt-worker")
        if manager.hasplugin("debugging"):
            self.debugger = debugger.Debugger(self.config, self.channel)
            manager.register(self.debugger, "shunt-debugger")
        benchmark_support.quiet(self.config)
        inherit.same_hooks(self.session)

    def assigned(self, message: Message) -> None:
        header = message.header
        name, generation = str(header["name"]), int(header["generation"])
        self.generation = generation
        count = int(header["workers"])
        cpu_share.apply(header)
        self._own_basetemp(name, generation)
        run_id = self.state.options.testrunuid or str(header["run"])
        self.input = {
            "workerid": name,
            "workercount": count,
            "testrunuid": run_id,
            "generation": generation,
            "mainargv": sys.argv,
        }
        self.input.update(nodes.loads(message.payload).get(name, {}))
        if self.state.options.no_workers() and count == 1:
            return
        if count > 1:
            _write_lines()
        os.environ.update(
            PYTEST_XDIST_WORKER=name,
            PYTEST_XDIST_WORKER_COUNT=str(count),
            PYTEST_XDIST_TESTRUNUID=run_id,
        )
        self._be_a_worker()

    def _be_a_worker(self) -> None:
        if getattr(self.config, "workerinput", None) is not self.input:
            self.config.workerinput = self.input
            self.config.workeroutput = {}

    def _own_basetemp(self, name: str, generation: int) -> None:
        factory = getattr(self.config, "_tmp_path_factory", None)
        if factory is None:
            return
        try:
            base = factory.getbasetemp()
        except OSError:
            return
        own = base / (f"popen-{name}" if generation == 1 else f"popen-{name}-r{generation}")
        factory._given_basetemp = own
        factory._basetemp = None
        self.config.option.basetemp = str(own)

    # -- hooks --

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        self.reports.append(report)
        if self.box is not None:
            self.box.phase(blackbox.CALL if report.when == "setup" else blackbox.TEARDOWN)

    @pytest.hookimpl
    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        self.warnings.append(reports.warning_to_data(warning_message, when, nodeid, location))

    @pytest.hookimpl
    def pytest_exception_interact(self, call: Any) -> None:
        """Called for failures only. A refused system call that got the same errno is named with this line."""
        if self.os_error is None and call.excinfo is not None:
            try:
                self.os_error = reports.os_error_of(call.excinfo.value, str(self.config.rootpath))
            except Exception:  # the test's own exceptions may be anything
                pass

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """What a fixture of wider scope starts and makes belongs to it, and is no leak of the test that came first."""
        if fixturedef.scope == "function":
            yield
            return
        before, changed, start = _tasks(), _tmp_changed(), time.time_ns()
        if self.sockets is not None:
            self.sockets.wide += 1
        yield
        if self.sockets is not None:
            self.sockets.wide -= 1
        self.kept |= _tasks() - before
        if _tmp_changed() != changed:
            self.kept_files |= _new_in_tmp(start)

    # -- running --

    def _serialise(self, report: Any) -> Any:
        if self.compact:
            short = reports.compact(report, self.keywords)
            if short is not None:
                return short
        return self.config.hook.pytest_report_to_serializable(config=self.config, report=report)

    def _output(self) -> Optional[str]:
        output = self.config.workeroutput
        try:
            return nodes.dumps(output, "config.workeroutput") if output else None
        except nodes.Unfit as error:
            print(f"shunt: {error}", file=sys.stderr)
            return None

    def _content(self, output: Optional[str] = None) -> bytes:
        serialised = [self._serialise(r) for r in self.reports]
        measured = benchmark_support.take(self.config)
        plain = output is None and not (self.warnings or self.session.shouldstop or self.coverage or measured)
        if plain and all(type(r) is list for r in serialised):
            return reports.dumps_compact(serialised)
        content: Dict[str, Any] = {"reports": serialised, "warnings": self.warnings}
        if output is not None:
            content["workeroutput"] = output
        if self.session.shouldstop:
            content["stop"] = str(self.session.shouldstop)
        if measured:
            content["benchmarks"] = measured
        if self.coverage is not None:
            content["coverage"] = [self.generation, self.coverage.all_saved]
        return reports.dumps(content)

    def _done(self, index: int, quits: Optional[Dict[str, Any]] = None) -> None:
        """Small reports of a test that passed go with its outcome. Else the outcome goes first: it is judged, and the next
        test chosen, while the reports are still being written."""
        header: Dict[str, Any] = {"t": "done", "i": index, "outcome": reports.outcome_of(self.reports)}
        for report in self.reports:
            if report.when in ("setup", "call", "teardown"):
                header[f"{report.when}_us"] = max(0, int(getattr(report, "duration", 0) * 1e6))
        text: Optional[bytes] = None
        if header["outcome"] != "passed":
            cause = reports.cause_of(self.reports)
            if cause:
                header["message"] = printable(cause, 1000)
            long_text = reports.text_of(self.reports)
            if long_text:
                text = printable(long_text, TEXT_LIMIT).encode("utf-8")
            if self.os_error is not None:
                header["errno"], header["where"] = self.os_error[0], printable(self.os_error[1], 500)
                if self.os_error[2]:
                    header["file"] = True
        if self.session.shouldstop:
            header["stop"] = printable(str(self.session.shouldstop), 200)
        self._keep_shared_pools()
        if self.kept:
            header["kept"] = sorted(self.kept)[:MAX_KEPT]
            self.kept = set()
        if self.kept_files:
            header["kept_files"] = sorted(printable(name, 255) for name in self.kept_files)[:MAX_KEPT_FILES]
            self.kept_files = set()
        if self.sockets is not None and self.sockets.opened:
            left = self.sockets.left(header["outcome"] == "passed")
            if left:
                header["left"] = left
        if quits is not None:
            header.update(quit=quits["why"], status=quits["status"], interrupt=quits["interrupt"])
        content: Optional[bytes] = None
        if header["outcome"] == "passed" and self.compact:  # no hook of a plugin's own runs before the test is judged
            content = self._content()
            if len(content) <= reports.SMALL:
                header["reports"] = True
                self.channel.send(header, content)
                return
        self.channel.send(header, text)
        self.channel.send_chunks({"t": "report", "i": index}, self._content() if content is None else content)

    def _keep_shared_pools(self) -> None:
        """Looks for them when this test left a thread or a process that was not there before."""
        left = _tasks() - self.known if threading.active_count() > 1 or shared_pools.has_children() else set()
        if not left:
            return
        self.known |= left
        try:
            self.kept |= shared_pools.tasks()
        except Exception:  # a module's globals may be anything
            pass

    def _run_test(self, index: int, next_index: Optional[int]) -> None:
        items = self.session.items
        item = items[index]
        # Without a known next test everything below the session is torn down, and the session's fixtures stay.
        next_item = items[next_index] if next_index is not None else self.session
        self.reports, self.warnings, self.os_error = [], [], None
        self.keywords = {name: 1 for name in item.keywords} if self.compact else {}
        self.last_item = item
        self.session.shouldfail = False
        if self.box is not None:
            self.box.reset(str(item.path), index)
        quits: Optional[Dict[str, Any]] = None
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        except pytest.exit.Exception as error:
            quits = {"why": printable(str(error.msg), 1000), "status": error.returncode, "interrupt": False}
        except KeyboardInterrupt as error:
            quits = {"why": printable(_where(error), 1000), "status": None, "interrupt": True}
        if os.getpid() != self.pid:
            os._exit(1)  # a child that the test forked came back here: it is no worker
        if self.debugger is not None:
            self.debugger.test_is_over()
        self.ends_run = quits is not None
        if quits is not None and not reports.decided(self.reports):
            self.channel.send({"t": "quit", "i": index, **quits})
            return
        self._done(index, quits)
        if self.coverage is not None:
            self.coverage.save_sometimes()

    def _tear_down_session(self) -> Any:
        """Captured, as what the last test does in pytest alone; after -x and the like it is done outside of tests there, too."""
        from _pytest.runner import CallInfo

        def tear_down() -> None:
            __tracebackhide__ = True
            self.session._setupstate.teardown_exact(None)

        manager = self.config.pluginmanager.getplugin("capturemanager")
        early = self.ends_run or self.session.shouldfail or self.session.shouldstop
        if manager is None or self.last_item is None or early:
            return CallInfo.from_call(tear_down, when="teardown")
        with manager.item_capture("teardown", self.last_item):
            return CallInfo.from_call(tear_down, when="teardown")

    def _end(self) -> None:
        """Session fixtures, then what plugins do at the end of a worker's session."""
        self.reports, self.warnings, self.compact = [], [], False
        if self.box is not None:
            self.box.phase(blackbox.SESSION_FINISH)
        call = self._tear_down_session()
        if call.excinfo is not None and self.last_item is not None:
            self.reports.append(pytest.TestReport.from_item_and_call(self.last_item, call))
        self._be_a_worker()  # the session's real end, where files of the user are written, is the controller's
        status = pytest.ExitCode.TESTS_FAILED if self.session.testsfailed else pytest.ExitCode.OK
        try:
            self.config.hook.pytest_sessionfinish(session=self.session, exitstatus=status)
        except Exception:
            import traceback

            traceback.print_exc()
        if self.coverage is not None:
            self.coverage.finish()
        self.channel.send_chunks({"t": "report", "i": -1}, self._content(self._output()))
        bye: Dict[str, Any] = {"t": "bye"}
        if call.excinfo is not None:
            bye["error"] = printable(call.excinfo.exconly(tryshort=True), 1000)
        self.channel.send(bye)
        inherit.run_exit_handlers()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(0)

    def loop(self) -> None:
        """Never returns."""
        while True:
            message = self.channel.recv()
            if message.type == "assign":
                self.assigned(message)
            elif message.type == "go":
                before = _set_environment(message.header.get("env") or {})
                self._run_test(message.header["i"], message.header["next"])
                _set_environment(before)
            elif message.type == "end":
                self._end()


def _write_lines() -> None:
    """Output that is not captured goes out a line at a time: at once, and never in pieces between which another worker speaks
    (PYTHONUNBUFFERED writes each argument of print() by itself)."""
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            stream.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            pass


def _set_environment(values: Dict[str, Optional[str]]) -> Dict[str, Optional[str]]:
    """Sets these variables (None: takes one away), and returns what they were."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before


def _run(worker: Worker) -> None:
    """The last frame of a worker: whatever happens in it, nothing above it goes on."""
    try:
        worker.loop()
    except Closed:
        os._exit(0)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.EBADF, errno.ENOTSOCK):
            os._exit(LOST_CHANNEL)  # a test closed or replaced the descriptor
        if os.getpid() == worker.pid:
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        os._exit(72)


def _ready(worker: Worker) -> None:
    """Passes the capture files and the black box, from which the supervisor tells what a dead worker did last."""
    capture = inherit.own_capture_files(worker.config)
    names = ["out", "err"][: len(capture)]
    faults = inherit.own_fault_file(worker.config)
    if faults is not None:
        names.append("faults")
        capture.append(faults)
    worker.box = blackbox.open_box(str(worker.config.rootpath))
    if worker.box is not None:
        worker.sockets = listeners.watch(worker.box)
        names.append("box")
        capture.append(worker.box.fd)
    stacks = blackbox.open_stacks()
    if stacks is not None:
        names.append("stacks")
        capture.append(stacks)
    worker.channel.send({"t": "ready", "fds": names}, fds=capture)
    for fd in capture:
        os.close(fd)


def run_forked(session: Any, state: State, channel: Channel, enter: Any, fds: Dict[str, int]) -> None:
    """From the fork in the cell to the end of the worker. Never returns."""
    os.setsid()
    inherit.redirect_stdio(fds["stdout"], fds["stderr"])
    failure = enter.seal(fds.get("seal", -1))
    if failure:
        channel.send({"t": "enter-failed", "stage": "sealing the worker", "errno": failure})
        os._exit(1)
    for name in ("stdout", "stderr", "seal"):
        if name in fds:
            os.close(fds[name])
    state.pid = os.getpid()
    worker = Worker(session, state, channel)
    inherit.drop_exit_handlers()
    inherit.restore_random(state.random_state)
    inherit.fresh_numpy()
    worker.quiet()
    worker.coverage = WorkerCoverage.start(session.config, state.run_id)
    _ready(worker)
    gc.enable()
    _run(worker)


def run_cold(session: Any, state: State) -> None:
    """A worker that was started for itself and has collected for itself. Never returns."""
    assert state.channel is not None
    if state.early_reads is not None:
        state.early_reads.stop()
    if state.seed_watch is not None:
        state.seed_watch.stop()
    if state.options.dist == "each":
        session.items[:] *= int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    worker = Worker(session, state, state.channel)
    worker.quiet()
    session.config.pluginmanager.getplugin("shunt-hush").forget()
    worker.coverage = WorkerCoverage.adopt(session.config, os.environ["PYTEST_XDIST_TESTRUNUID"])
    state.channel.send({"t": "collected", "count": len(session.items), "digest": suite.digest(session.items)})
    _ready(worker)
    _run(worker)
