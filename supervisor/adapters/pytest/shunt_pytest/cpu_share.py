# SPDX-License-Identifier: MIT
"""A worker's share of the CPUs: its CPU set, what os.cpu_count() says, and the pools of native libraries that were sized
before the worker knew its lane."""
import ctypes
import os
import re
from typing import Any, Dict, Optional

# Library, the variable it was sized by (shunt's: else it is left alone), the functions that size it anew.
_POOLS = (
    (
        re.compile(r"^lib(scipy_)?openblas|^libblas\.so"),
        "OPENBLAS_NUM_THREADS",
        [f"{p}openblas_set_num_threads{s}" for p in ("", "scipy_") for s in ("", "64_")],
    ),
    (re.compile(r"^libmkl_rt"), "MKL_NUM_THREADS", ["MKL_Set_Num_Threads"]),
    (re.compile(r"^libblis"), "BLIS_NUM_THREADS", ["bli_thread_set_num_threads"]),
    (re.compile(r"^lib(gomp|iomp5|omp)\b"), "OMP_NUM_THREADS", ["omp_set_num_threads"]),
)

_host_count = os.cpu_count
_count: Optional[int] = None


def _cpu_count() -> Optional[int]:
    return _count if _count is not None else _host_count()


def answer_cpu_count(count: int) -> None:
    """0: as the machine does. Called before the project's modules are imported, since some of them keep the function itself,
    and others what it says."""
    global _count
    _count = count or None
    if count and os.cpu_count is _host_count:
        _cpu_count.__name__, _cpu_count.__doc__ = "cpu_count", _host_count.__doc__
        os.cpu_count = _cpu_count


def _set_affinity(cpus: Any) -> None:
    """Of all threads: a cold worker has imported what may have started some."""
    try:
        tasks = os.listdir("/proc/self/task")
    except OSError:
        tasks = ["0"]
    for task in tasks:
        try:
            os.sched_setaffinity(int(task), cpus)
        except OSError:  # not on this machine any more, or refused: it is prevention, no fence
            pass


def _resize_pools(threads: int, ours: Any) -> None:
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(None, 5)[5].rstrip("\n") for line in maps if ".so" in line}
    except (OSError, IndexError):
        return
    for path in paths:
        for pattern, variable, setters in _POOLS:
            if variable not in ours or not pattern.match(os.path.basename(path)):
                continue
            try:
                library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
            except OSError:
                continue
            for name in setters:
                if hasattr(library, name):
                    getattr(library, name)(ctypes.c_int(threads))


def apply(header: Dict[str, Any]) -> None:
    """What an `assign` message says."""
    variables = header.get("env", {})
    for name, value in variables.items():
        if value is None:
            os.environ.pop(str(name), None)
        else:
            os.environ[str(name)] = str(value)
    if header.get("cpus"):
        _set_affinity(header["cpus"])
    answer_cpu_count(int(header.get("cpu_count", 0)))
    if header.get("pools"):
        _resize_pools(int(header["pools"]), variables)
