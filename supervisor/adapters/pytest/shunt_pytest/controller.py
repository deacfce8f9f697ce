# SPDX-License-Identifier: MIT
"""The first process: sends the suite, then shows what has been judged, in pytest's own words."""
import gc
import json
import os
import sys
from collections import deque
from typing import Any, Deque, Dict, List, Optional, Set

import pytest
from _pytest._code.code import ReprFileLocation

from . import benchmark_support, coverage_support, reports, suite, template, unforkable
from .channel import Channel, Closed, Message, printable
from .nodes import Nodes, Sched
from .state import State
from .ties import Ties

GC_OBJECTS = 20_000  # that are new when Python looks for garbage; its own default is 700


def _same_file(a: int, b: int) -> bool:
    try:
        return os.path.samestat(os.fstat(a), os.fstat(b))
    except OSError:
        return False


class _Interrupted:
    """Shaped like the repr of an exception, as far as pytest's terminal looks at it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.message = "KeyboardInterrupt"
        self.reprcrash = self

    def toterminal(self, writer: Any) -> None:
        for line in self.text.splitlines():
            writer.line(line)


class _Killed:
    """How a killed test failed: its block, and one line for short summaries."""

    def __init__(self, item: Any, block: str, cause: str) -> None:
        self.block = block
        path, line, _ = item.location
        self.reprcrash = ReprFileLocation(path=str(path), lineno=(line or 0) + 1, message=cause)

    def toterminal(self, writer: Any) -> None:
        writer.line(self.block)

    def __str__(self) -> str:
        return self.block


class Controller:
    def __init__(self, session: Any, state: State) -> None:
        assert state.channel is not None
        self.session = session
        self.config = session.config
        self.state = state
        self.channel: Channel = state.channel
        self.items: List[Any] = session.items
        self.terminal = self.config.pluginmanager.getplugin("terminalreporter")
        self.xdist = False
        self.partial: Dict[Any, List[bytes]] = {}
        self.stop_sent = False
        self.interrupted: Optional[str] = None
        self.nodes = Nodes(self.config)
        self.kept: Deque[Message] = deque()
        self.paused = False
        self.behind: Set[int] = set()  # tests that were shown and did not fail
        self.open_line: Optional[str] = None  # of the worker that wrote last, without an end of line
        self.losses = coverage_support.Losses()

    # -- the suite --

    def _why_not_fork(self) -> Optional[str]:
        early = self.state.early_reads
        if early is not None and early.where is not None:
            return (
                f"{early.where} before a worker exists; read it in a fixture or a function that tests call, "
                "and workers can be forked again"
            )
        return unforkable.why(self.channel.fileno())

    def _send_suite(self) -> None:
        why = self._why_not_fork()
        options = self.state.options.as_suite(self.nodes)
        ties = Ties(self.items, self.config, self.state.options.n)
        if self.state.options.dist == "each":
            ties.copies = self._multiply(options)
        markers = suite.serial_markers(self.config)
        try:
            dist, want = self.state.options.dist, self.state.want_markers
            chunks = list(suite.packets(self.items, markers, dist, ties, want))
        except suite.BadMarker as error:
            raise pytest.UsageError(str(error)) from None
        several = isinstance(options["n"], str) or (options["n"] or 2) > 1
        if self.state.early_reads is not None:
            self.state.early_reads.stop()
        header = {
            "t": "suite",
            "count": len(self.items),
            "root": str(self.config.rootpath)[:4096],
            "maxfail": int(self.config.getvalue("maxfail") or 0),
            "capture": str(getattr(self.config.option, "capture", "no")),
            "fork": why is None or (not several and "reads " in why),
            "why": why,
            "inputs": self.nodes.are_heard(),
            **options,
        }
        self.channel.send(header)
        for first, count, payload in chunks:
            self.channel.send({"t": "tests", "first": first, "n": count}, payload)
        self.channel.send({"t": "suite-end", "digest": suite.digest(self.items), "keep": self._kept_path()})
        suite.share_locations(self.items)  # while the supervisor makes its plan

    def _multiply(self, options: Dict[str, Any]) -> int:
        """--dist each: every test on every worker, so their number must be known now."""
        n = self.state.asked_workers or options["n"]
        if not isinstance(n, int) or n < 1:
            n = min(len(os.sched_getaffinity(0)), options["n_max"] or 4096)
        options["n"] = n
        self.items[:] *= n
        return n

    def _kept_path(self) -> Optional[str]:
        """What tests leave in their tmp_path is there after the run: workers keep that directory when their /tmp is another."""
        factory = getattr(self.config, "_tmp_path_factory", None)
        if factory is None:
            return None
        try:
            base = factory.getbasetemp()  # as under xdist: one base, a directory in it for each worker
        except OSError:  # somebody else's /tmp/pytest-of-USER: that is for the tests that want a tmp_path
            return None
        kept = base.parent if base.parent.name.startswith("pytest-of-") else base
        return printable(str(kept), 1000)

    def _plan(self) -> Message:
        answer = self.channel.recv()
        while answer.type == "deselect":
            self._deselect(answer.payload)
            answer = self.channel.recv()
        if answer.type == "error":
            raise pytest.UsageError(str(answer.header.get("message")))
        self.state.run_id = str(answer.header["run"])
        self.state.enter_lib = str(answer.header["enter_lib"])
        self.xdist = bool(answer.header["xdist"])
        return answer

    def _deselect(self, ranges: bytes) -> None:
        """As pytest says it of -k; the items stay, since their indices are how both sides speak of them."""
        items = [item for first, n in json.loads(ranges) for item in self.items[first : first + n]]
        self.session.testscollected -= len(items)
        self.config.hook.pytest_deselected(items=items)

    def _fork_template(self, fd: int) -> None:
        if self.state.seed_watch is not None:
            self.state.random_state = self.state.seed_watch.stop()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()
        if os.fork() == 0:
            try:
                self.channel.close()
                template.main(self.session, self.state, fd)
            finally:
                os._exit(70)
        os.close(fd)

    def _set_up_nodes(self, plan: Message) -> None:
        notice = self.nodes.scheduler_notice()
        if notice is not None:
            self._notice(notice.encode("utf-8", "replace"))
        count = int(plan.header["workers"])
        if self.nodes.are_heard():
            run_id = self.state.options.testrunuid or self.state.run_id
            self.channel.send({"t": "inputs"}, self.nodes.set_up(count, run_id))
        self.nodes.start(count, [item.nodeid for item in self.items])
        if self.xdist:
            self.state.options.show(self.config.option, count)

    # -- the loop --

    def run(self) -> bool:
        try:
            self._send_suite()
            plan = self._plan()
            if plan.fds:
                self._fork_template(plan.fds[0])
            self._set_up_nodes(plan)
            if self.xdist and self.terminal is not None:
                self.terminal.showfspath = False
            self.config.pluginmanager.register(self, "shunt-controller")
            self._show_all()
            self._remember_step()
            coverage_support.combine(self.config, self.state.run_id)
        except Closed:
            os._exit(3)  # the supervisor is gone, and says so itself
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)
        return True

    def _show_all(self) -> None:
        """Reports stay until the summary, in no cycles: looking for garbage among them takes CPU from the workers."""
        threshold = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(GC_OBJECTS, *threshold[1:])
        try:
            self._loop()
        finally:
            gc.set_threshold(*threshold)
            gc.unfreeze()

    def _loop(self) -> None:
        while True:
            message = self._next()
            kind = message.type
            if kind == "feeds":
                self._feed_many(message.payload)
            elif kind == "feed":
                self._feed(message)
            elif kind == "killed":
                self._killed(message)
            elif kind == "output":
                self._output(str(message.header["worker"]), message.payload)
            elif kind == "node-down":
                self.nodes.ended(str(message.header["worker"]), None, str(message.header["why"]))
            elif kind == "notice":
                self._notice(message.payload)
            elif kind == "finish":
                self._finish(message.header)
                return
            elif kind == "interrupt":
                self.interrupted = message.payload.decode("utf-8", "replace")
                raise KeyboardInterrupt
            self._maybe_stop()

    def _remember_step(self) -> None:
        """--stepwise goes on from one test, and several workers are at several: from the first that failed or did not run."""
        plugin = self.config.pluginmanager.getplugin("stepwiseplugin")
        if self.xdist and getattr(plugin, "lastfailed", None) and not self.config.option.stepwise_skip:
            first = next((i for i in range(len(self.items)) if i not in self.behind), None)
            if first is not None:
                plugin.lastfailed = self.items[first].nodeid

    def _next(self) -> Message:
        """While a debugger has the terminal all is kept."""
        while True:
            if self.kept and not self.paused:
                return self.kept.popleft()
            message = self.channel.recv()
            if message.type == "pause":
                self._fresh_line()
                sys.stdout.flush()
                sys.stderr.flush()
                self.paused = True
                self.channel.send({"t": "paused"})
            elif message.type == "resume":
                self.paused = False
            else:
                self.kept.append(message)
                self.paused = self.paused and message.type != "interrupt"

    def _finish(self, header: Dict[str, Any]) -> None:
        """What a test asked for is carried out here, where pytest can say so."""
        why = header.get("quit")
        if why is None:
            return
        if header.get("interrupt"):
            self.interrupted = f"{why}: KeyboardInterrupt"
            raise KeyboardInterrupt
        raise pytest.exit.Exception(str(why), header.get("status"))

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """pytest would show the line of this file that was waiting."""
        if self.interrupted is not None and self.terminal is not None:
            self.terminal._keyboardinterrupt_memo = _Interrupted(self.interrupted)

    def _maybe_stop(self) -> None:
        why = self.session.shouldfail or self.session.shouldstop
        if why and not self.stop_sent:
            self.stop_sent = True
            self.channel.send({"t": "stop", "why": str(why)[:1000].encode("ascii", "replace").decode()})

    def _output(self, name: str, data: bytes) -> None:
        """What a worker wrote past its capture (-s), as it comes. Of several workers each line says whose it is."""
        if self.xdist:
            if self.open_line != name:
                self._fresh_line()
            begin = f"[{name}] ".encode()
            lines = data.split(b"\n")
            last = lines.pop()
            text = b"".join(begin + line + b"\n" for line in lines) + (begin + last if last else b"")
            data = text[len(begin) :] if self.open_line == name else text
            self.open_line = name if last else None
        sys.stdout.flush()
        _write_all(1, data)

    def _fresh_line(self) -> None:
        if self.open_line is not None:
            sys.stdout.flush()
            _write_all(1, b"\n")
            self.open_line = None
        writer = getattr(self.terminal, "_tw", None)
        if writer is not None and writer.width_of_current_line:
            writer.line()

    def _notice(self, text: bytes) -> None:
        if _same_file(1, 2):
            self._fresh_line()
        sys.stdout.flush()
        sys.stderr.flush()
        _write_all(2, text)

    def _feed(self, message: Message) -> None:
        index, name = int(message.header["i"]), str(message.header["worker"])
        chunks = self.partial.setdefault((index, name), [])
        chunks.append(message.payload)
        if message.header.get("more"):
            return
        del self.partial[index, name]
        self._feed_one(index, name, b"".join(chunks), message.header.get("failed"))

    def _feed_many(self, data: bytes) -> None:
        """Each test: its index, its worker and the size of its payload on a line, then that payload."""
        writer = getattr(self.terminal, "_tw", None)
        if writer is not None:
            writer.flush = _nothing  # one write for all of them
        try:
            at = 0
            while at < len(data):
                start = data.index(b"\n", at) + 1
                index, name, size = data[at : start - 1].decode("ascii").split(" ")
                at = start + int(size)
                self._feed_one(int(index), name, data[start:at])
                self._maybe_stop()
        finally:
            if writer is not None:
                del writer.flush
                writer.flush()

    def _feed_one(self, index: int, name: str, payload: bytes, failed: Optional[str] = None) -> None:
        try:
            content = reports.loads(payload)
        except ValueError:
            content = {"lost": len(payload)}
        self._show(index, name, content, failed)

    def _show(self, index: int, name: str, content: Dict[str, Any], failed: Optional[str] = None) -> None:
        item = self.items[index] if index >= 0 else None
        keywords = {keyword: 1 for keyword in item.keywords} if item is not None else {}
        shown = [self._report(data, name, item, keywords) for data in content.get("reports", [])]
        if "bare" in content and item is not None:
            shown = self._bare(item, name, content["bare"])
        if "lost" in content and item is not None:
            shown.append(self._synthetic(item, name, f"its reports ({content['lost']} bytes) are too large to show", b""))
        for data in content.get("warnings", []):
            self._warning(data)
        benchmark_support.give(self.config, content.get("benchmarks", []))
        self.losses.heard(name, content.get("coverage"), item.nodeid if item is not None else None)
        if failed is not None and item is not None:
            _fail(shown, item, failed)
        if item is not None:
            self.config.hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        if self.open_line is not None:
            self._fresh_line()
        stopped = self.session.shouldfail
        for report in shown:
            if report is not None:
                self.config.hook.pytest_runtest_logreport(report=report)
        if stopped:  # "stopping after 2 failures": one that was under way on another worker does not make it 3
            self.session.shouldfail = stopped
        if item is not None:
            self.config.hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if index >= 0 and not any(report is not None and report.failed for report in shown):
            self.behind.add(index)
        if index < 0:
            self.nodes.ended(name, content.get("workeroutput"))
        stop = content.get("stop")
        if stop and not self.session.shouldstop:
            self.session.shouldstop = str(stop)

    def _report(self, data: Any, name: str, item: Any, keywords: Dict[str, int]) -> Any:
        if isinstance(data, list) and item is not None:
            report = reports.expand(data, item, keywords)
        else:
            report = self.config.hook.pytest_report_from_serializable(config=self.config, data=data)
        if report is not None and self.xdist:
            report.node = self.nodes.speaks(name)
        return report

    def _warning(self, data: Dict[str, Any]) -> None:
        location = data.get("location")
        self.config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": reports.warning_from_data(data),
                "when": data.get("when", "runtest"),
                "nodeid": str(data.get("nodeid", "")),
                "location": tuple(location) if location else None,
            }
        )

    def _synthetic(self, item: Any, name: str, text: Any, output: bytes) -> Any:
        sections = [("Captured output", output.decode("utf-8", "replace"))] if output else []
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={k: 1 for k in item.keywords},
            outcome="failed",
            longrepr=text,
            when="call",
            sections=sections,
            duration=0,
        )
        if self.xdist:
            report.node = self.nodes.speaks(name)  # type: ignore[attr-defined]
        return report

    def _bare(self, item: Any, name: str, known: Dict[str, Any]) -> List[Any]:
        """Reports in place of those that never came."""
        outcome, why = known["outcome"], f"{known['message']}\n({known['reason']})"
        found = []
        for when in ("setup", "call", "teardown"):
            report = self._synthetic(item, name, why, b"")
            report.when, report.duration = when, known[f"{when}_us"] / 1e6
            if when != ("setup" if outcome == "error" else "call") or outcome.startswith(("passed", "xpassed", "flaky")):
                report.outcome, report.longrepr = "passed", None
            elif outcome in ("skipped", "xfailed"):
                report.outcome, report.longrepr = "skipped", (str(item.path), 0, known["message"])
            if when == "call" and outcome in ("xfailed", "xpassed"):
                report.wasxfail = known["message"]
            found.append(report)
            if report.outcome == "failed" and when == "setup":
                break
        return found

    def _killed(self, message: Message) -> None:
        item = self.items[int(message.header["i"])]
        block, _, output = message.payload.partition(b"\x1e\n")
        verdict = message.header["verdict"]
        self.losses.killed.append(item.nodeid)
        cause = f"{verdict if verdict == 'leak' else f'killed [{verdict}]'}: {message.header['message']}"
        shown = _Killed(item, block.decode("utf-8", "replace").rstrip("\n"), cause)
        report = self._synthetic(item, str(message.header["worker"]), shown, output)
        self._ask_of_crash(item, report)
        hook = self.config.hook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def _ask_of_crash(self, item: Any, report: Any) -> None:
        """The hook may change the report; to run the test once more is not its to say: that has been done."""
        sched = Sched(self.config)
        self.nodes.call("pytest_handlecrashitem", crashitem=item.nodeid, report=report, sched=sched)
        if sched.wanted_again:
            report.outcome = "failed"

    # -- pytest's summary --

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before the terminal's own begins: everything is in the order of collection, whatever came first."""
        order = {item.nodeid: i for i, item in enumerate(self.items)}
        for found in self.terminal.stats.values() if self.terminal is not None and self.xdist else ():
            found.sort(key=lambda r: order.get(getattr(r, "nodeid", None) or "", -1))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in self.losses.lines():
            terminalreporter.write_line(line)


def _fail(shown: List[Any], item: Any, block: str) -> None:
    """The test passed, and what it left behind counts as its failure."""
    block = block.rstrip("\n")
    first = block.partition("\n")[0].replace("   [leak]", "")
    cause = "leak: " + (first.rpartition(": ")[2] or first)
    for report in shown:
        if report is not None and report.when == "call" and report.outcome == "passed":
            report.outcome = "failed"
            report.longrepr = _Killed(item, block, cause)


def _nothing() -> None:
    pass


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            import select

            select.select([], [fd], [])
        except OSError:
            return
