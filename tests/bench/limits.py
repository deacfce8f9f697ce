# SPDX-License-Identifier: MIT
"""What no runner can go below: startup and collection once, then the tests' own time over the CPUs. And suites whose best
schedule is known."""
import os
import pathlib
import statistics

# A pytest plugin: when plain pytest began its tests, and when it had run them.
PHASES = """
import os, time

def pytest_runtestloop(session):
    session.config.bench_loop = time.time()

def pytest_sessionfinish(session):
    with open(os.environ["BENCH_PHASES"], "w") as f:
        f.write(f"{session.config.bench_loop} {time.time()}")
"""

DOMINANT = """
import time, pytest

@pytest.mark.parametrize("i", range(300))
def test_short(i):
    time.sleep(0.004)

def test_dominant():
    time.sleep(1.5)
"""
SLOW_FIXTURE = """
import time, pytest

@pytest.fixture(scope="module")
def service():
    time.sleep(0.25)

@pytest.mark.parametrize("i", range(20))
def test_with_service(i, service):
    time.sleep(0.004)
"""
ONE_FUNCTION = """
import time, pytest

@pytest.mark.parametrize("i", range(2000))
def test_case(i):
    time.sleep(0.001)
"""
# name: modules, source, seconds that cannot be divided (None: a module's share of the whole)
SCHEDULES = {
    "one test dominates": (1, DOMINANT, 1.5),
    "slow module fixtures": (16, SLOW_FIXTURE, None),
    "2,000 cases": (1, ONE_FUNCTION, 0.0),
}


class Phases:
    """Plain pytest with the plugin above."""

    def __init__(self, base):
        self.directory = pathlib.Path(base) / "phases"
        self.directory.mkdir(exist_ok=True)
        (self.directory / "bench_phases.py").write_text(PHASES)
        self.note = self.directory / "note"

    def environment(self):
        return {"PYTHONPATH": str(self.directory), "BENCH_PHASES": str(self.note), "PYTEST_PLUGINS": "bench_phases"}

    def own_seconds(self):
        """Of the run that has just ended: from the first test to the end of the last one."""
        begin, end = map(float, self.note.read_text().split())
        return end - begin


def cores():
    return len(os.sched_getaffinity(0))


def limit(plain, own, workers, lanes=None):
    """Everything but the tests once, and the tests over as many as can run at once."""
    return plain - own + own / min(workers, lanes or cores())


def best_schedule(name, plain, own, workers):
    """Tests that sleep need no CPU: as many run at once as there are workers."""
    modules, _, indivisible = SCHEDULES[name]
    if indivisible is None:
        longest = -(-modules // workers) * own / modules
    else:
        longest = max(indivisible, own / workers)
    return plain - own + longest


def table_of_schedules(base, workers, rounds, write_suite, plain_run, run, out):
    print("\nschedules: wall seconds, medians of interleaved rounds; best: startup, collection and the best schedule there is\n")
    print(f"{'suite':<22}{'N':>3}{'best':>9}{'xdist':>9}{'shunt':>9}{'/best':>9}{'/xdist':>9}")
    for name, (modules, source, _) in SCHEDULES.items():
        path = write_suite(base, name.replace(" ", "-").replace(",", ""), modules, source, 0)
        plain, seen = [], {}
        for _ in range(rounds):
            plain.append(plain_run(path))
            for n in workers:
                for kind in ("xdist", "shunt"):
                    seen.setdefault((kind, n), []).append(run(kind, n, path))
        wall, own = (statistics.median(v) for v in zip(*plain))
        for n in workers:
            best = best_schedule(name, wall, own, n)
            xdist, shunt = (statistics.median(seen[kind, n]) for kind in ("xdist", "shunt"))
            print(f"{name:<22}{n:>3}{best:>9.2f}{xdist:>9.2f}{shunt:>9.2f}{shunt / best:>9.2f}{shunt / xdist:>9.2f}", flush=True)
            out.append({"suite": name, "workers": n, "best_s": best, "xdist_s": xdist, "shunt_s": shunt,
                        "ratio_best": shunt / best, "ratio_xdist": shunt / xdist, "rounds": rounds})
