# SPDX-License-Identifier: MIT
"""Pools that tests share: whoever starts one first does not leak it. A pool is shared when a module holds it (joblib's
loky, dask's default pool), or a library that keeps idle threads for whoever comes next (trio, Twisted); the helpers
of multiprocessing serve every pool."""
import os
import sys
import threading
from concurrent.futures import Executor
from typing import Any, Iterator, Set

_TRACKERS = (
    "multiprocessing.resource_tracker",
    "loky.backend.resource_tracker",
    "joblib.externals.loky.backend.resource_tracker",
)
# Where executors and pools keep their threads and processes.
_THREADS = (
    "_threads",
    "_executor_manager_thread",
    "_queue_management_thread",
    "_worker_handler",
    "_task_handler",
    "_result_handler",
)
_QUEUES = ("_call_queue", "_result_queue")
_PROCESSES = ("_processes", "_pool")
SMALL = 16


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from list(value.values())
    elif isinstance(value, (set, frozenset, list, tuple)):
        yield from list(value)
    elif value is not None:
        yield value


def _tasks_of(pool: Any) -> Iterator[Any]:
    for name in _THREADS:
        for thread in _members(getattr(pool, name, None)):
            yield getattr(thread, "native_id", None)
    for name in _QUEUES:
        yield getattr(getattr(getattr(pool, name, None), "_thread", None), "native_id", None)
    for name in _PROCESSES:
        for process in _members(getattr(pool, name, None)):
            yield getattr(process, "pid", None)


def _values_of_modules() -> Iterator[Any]:
    """What modules hold, and what their small dictionaries hold: dask keeps its pools by thread and by size."""
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            yield value
            if isinstance(value, dict) and 0 < len(value) <= SMALL:
                for inner in list(value.values()):
                    yield inner
                    if isinstance(inner, dict) and 0 < len(inner) <= SMALL:
                        yield from list(inner.values())


def _pools_of_modules() -> Iterator[Any]:
    pool_module = sys.modules.get("multiprocessing.pool")
    kinds = (Executor, pool_module.Pool) if pool_module is not None else (Executor,)
    for value in _values_of_modules():
        if isinstance(value, kinds):
            yield value


def _idle_threads_of_trio() -> Iterator[Any]:
    """They end by themselves after ten seconds. A thread that still works for a test is not among them."""
    cache = getattr(sys.modules.get("trio._core._thread_cache"), "THREAD_CACHE", None)
    idle = list(getattr(cache, "_idle_workers", ()))
    if idle:
        for thread in threading.enumerate():
            owner = getattr(getattr(thread, "_target", None), "__self__", None)
            if any(owner is worker for worker in idle):
                yield thread.native_id


def _threads_of_twisted() -> Iterator[Any]:
    """The reactor's own pool, which deferToThread() starts."""
    pool = getattr(sys.modules.get("twisted.internet.reactor"), "threadpool", None)
    for thread in _members(getattr(pool, "threads", None)):
        yield getattr(thread, "native_id", None)


def _executor_of_the_event_loop() -> Iterator[Any]:
    """run_in_executor() starts it; it lives as long as the loop, which a fixture of wider scope may hold."""
    policy = getattr(sys.modules.get("asyncio.events"), "_event_loop_policy", None)
    loop = getattr(getattr(policy, "_local", None), "_loop", None)
    executor = getattr(loop, "_default_executor", None)
    if executor is not None and not loop.is_closed():
        yield from _tasks_of(executor)


def resource_trackers() -> Iterator[Any]:
    """Those of the loaded modules, whether they have started their process or not."""
    for name in _TRACKERS:
        tracker = getattr(sys.modules.get(name), "_resource_tracker", None)
        if tracker is not None:
            yield tracker


def has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:
        return False
    return True


def tasks() -> Set[int]:
    """Ids of their threads and processes. Takes milliseconds: asked only when a test left something behind."""
    found = {i for pool in _pools_of_modules() for i in _tasks_of(pool)}
    found.update(_idle_threads_of_trio())
    found.update(_threads_of_twisted())
    found.update(_executor_of_the_event_loop())
    found.update(getattr(tracker, "_pid", None) for tracker in resource_trackers())
    forkserver = getattr(sys.modules.get("multiprocessing.forkserver"), "_forkserver", None)
    found.add(getattr(forkserver, "_forkserver_pid", None))
    return {i for i in found if isinstance(i, int)}
