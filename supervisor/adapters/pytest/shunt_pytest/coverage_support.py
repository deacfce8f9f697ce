# SPDX-License-Identifier: MIT
"""Coverage in workers: one measurement each, in a data file of its own, saved every few seconds and at the end.

pytest-cov combines such files itself at the end of the session. Where the whole of pytest is measured from outside
(`coverage run -m pytest`) the controller does. What a killed worker had not saved is named.
"""
import binascii
import copy
import glob
import os
import socket
import sys
import time
from typing import Any, Dict, Iterable, List, Optional, Tuple

INTERVAL_S = 2.0
SHOWN = 10
SUFFIX = "shunt-"


def _measurement(config: Any) -> Tuple[Optional[Any], Optional[Any]]:
    """pytest-cov's plugin, and the coverage object that measures this process; each may be absent."""
    plugin = config.pluginmanager.getplugin("_cov")
    found = getattr(getattr(plugin, "cov_controller", None), "cov", None)
    if found is not None:
        return plugin, found
    coverage = sys.modules.get("coverage")
    current = getattr(getattr(coverage, "Coverage", None), "current", None)
    return None, current() if current is not None else None


def _own(inherited: Any, run_id: str) -> Any:
    """The same measurement, with a data file of its own. Process ids are no help: each cell has its own."""
    import coverage

    suffix = f"{SUFFIX}{run_id}.{binascii.hexlify(os.urandom(6)).decode()}"
    own = coverage.Coverage(data_suffix=suffix, config_file=False)
    own.config = copy.copy(inherited.config)
    own.config.data_file = os.path.abspath(own.config.data_file)
    # Lines of modules that were imported before the fork are the controller's.
    own._warn_no_data = own._warn_unimported_source = own._warn_preimported_source = False
    return own


class WorkerCoverage:
    """The measurement of one worker."""

    @classmethod
    def start(cls, config: Any, run_id: str) -> Optional["WorkerCoverage"]:
        """In a forked worker: replaces the inherited, running measurement."""
        plugin, inherited = _measurement(config)
        if inherited is None:
            return None
        inherited.stop()
        own = _own(inherited, run_id)
        own.start()
        if plugin is not None:
            plugin.cov_controller.cov = own
            plugin.pid = os.getpid()  # else it takes each test for one in a process that nobody measures
            contexts = config.pluginmanager.getplugin("_cov_contexts")
            if contexts is not None:
                contexts.cov = own
        return cls(own)

    @classmethod
    def adopt(cls, config: Any, run_id: str) -> Optional["WorkerCoverage"]:
        """In a cold worker, which pytest-cov knows as one: its measurement has a file of its own already."""
        plugin, found = _measurement(config)
        if plugin is None:
            return cls.start(config, run_id)
        return cls(found) if found is not None else None

    def __init__(self, cov: Any) -> None:
        self.cov = cov
        self.saved = time.monotonic()
        self.all_saved = True  # what was measured before the test that runs now

    def save_sometimes(self) -> None:
        """Between tests: so much at most is lost with a killed worker."""
        self.all_saved = time.monotonic() - self.saved > INTERVAL_S
        if self.all_saved:
            self.cov.save()
            self.saved = time.monotonic()

    def finish(self) -> None:
        self.cov.stop()
        self.cov.save()
        self.all_saved = True


def cold_identity() -> Dict[str, Any]:
    """What pytest-cov's controller tells its workers: they are on the same machine."""
    return {"cov_master_host": socket.gethostname(), "cov_master_topdir": os.getcwd(), "cov_master_rsync_roots": []}


def keep_files(namespace: Any) -> None:
    """In a cold worker, early: pytest-cov erases all data files when it starts, and a replacement starts late."""
    if hasattr(namespace, "cov_append"):
        namespace.cov_append = True


class Losses:
    """The controller's account: of which tests are lines not saved yet?"""

    def __init__(self) -> None:
        self.unsaved: Dict[Tuple[str, int], List[str]] = {}
        self.killed: List[str] = []

    def heard(self, name: str, note: Any, nodeid: Optional[str]) -> None:
        """note: [generation, is all that was before saved?]; nodeid: None at the end of the worker's session."""
        if not isinstance(note, list) or len(note) != 2 or type(note[0]) is not int:
            return
        waiting = self.unsaved.setdefault((name, note[0]), [])
        if note[1]:
            waiting.clear()
        if nodeid is not None:
            waiting.append(nodeid)

    def lines(self) -> Iterable[str]:
        """For the summary; nothing where nothing was lost."""
        tests = self.killed + [nodeid for waiting in self.unsaved.values() for nodeid in waiting]
        if tests and self.unsaved:
            yield f"shunt: coverage lacks what {len(tests)} tests reached last: their worker was killed before it saved its lines"
            yield from (f"  {nodeid}" for nodeid in tests[:SHOWN])
            if len(tests) > SHOWN:
                yield f"  and {len(tests) - SHOWN} more"


def combine(config: Any, run_id: str) -> None:
    """`coverage run -m pytest`: what the workers saved becomes part of the measurement that goes on around us."""
    plugin, current = _measurement(config)
    if plugin is not None or current is None or current.config.parallel:
        return
    from coverage import CoverageData

    data = current.get_data()
    pattern = glob.escape(os.path.abspath(current.config.data_file)) + f".{SUFFIX}{run_id}.*"
    for path in sorted(glob.glob(pattern)):
        worker = CoverageData(basename=path)
        try:
            worker.read()
            data.update(worker)
        except Exception as error:  # a file that a killed worker left half written
            print(f"shunt: coverage: {path} cannot be read and is left out: {error}", file=sys.stderr)
        os.unlink(path)
