# SPDX-License-Identifier: MIT
"""pytest-benchmark: tests are measured in workers, and the table, the files and the comparisons are the controller's.

Measured beside others a benchmark says nothing, so such tests run in the serial lane. Where xdist's -n is given they are
not measured at all, as under xdist.
"""
from types import SimpleNamespace
from typing import Any, Dict, List, Optional

_TEXTS = ("name", "fullname", "group", "param")


def _session(config: Any) -> Optional[Any]:
    return getattr(config, "_benchmarksession", None)


class Lane:
    """Which tests are measured?"""

    def __init__(self, config: Any, xdist_workers: Any) -> None:
        session = _session(config)
        self.active = session is not None and not session.disabled and not session.skip
        if session is not None and self.active and xdist_workers and not session.only:
            session.disabled, self.active = True, False
            session.logger.warn("Benchmarks are not measured: -n asks for several workers (without it shunt measures them alone)")

    def why(self, item: Any) -> Optional[str]:
        if self.active and "benchmark" in getattr(item, "fixturenames", ()):
            return "fixture benchmark"
        return None


def quiet(config: Any) -> None:
    """In a worker: what is saved is saved by the controller."""
    session = _session(config)
    if session is not None:
        session.json = session.save = session.autosave = session.compare = None


def take(config: Any) -> List[Dict[str, Any]]:
    """In a worker: what was measured since the last time."""
    session = _session(config)
    if session is None or not session.benchmarks:
        return []
    found = []
    for bench in session.benchmarks:
        told = {name: getattr(bench, name) for name in _TEXTS}
        told.update(params=bench.params, extra_info=bench.extra_info, iterations=bench.iterations)
        told["data"] = [float(value) for value in bench.stats.data]
        told["options"] = {k: getattr(v, "__name__", repr(v)) if callable(v) else v for k, v in bench.options.items()}
        told["failed"] = bool(bench.has_error)
        found.append(told)
    session.benchmarks = []
    return found


def give(config: Any, found: Any) -> None:
    """In the controller: as if it had been measured here. What a worker says is not trusted: numbers are numbers."""
    session = _session(config)
    if session is None or not isinstance(found, list):
        return
    from pytest_benchmark.stats import Metadata

    for told in found:
        try:
            data = [float(value) for value in told["data"]]
            iterations = int(told["iterations"])
            extra, options = dict(told["extra_info"]), dict(told["options"])
        except (KeyError, TypeError, ValueError):
            continue
        fixture = SimpleNamespace(
            params=told.get("params"), extra_info=extra, cprofile_stats=None, has_error=bool(told.get("failed")),
            **{name: None if told.get(name) is None else str(told[name]) for name in _TEXTS},
        )  # fmt: skip
        bench = Metadata(fixture, iterations=iterations, options=options)
        bench.stats.data = data
        session.benchmarks.append(bench)
