# SPDX-License-Identifier: MIT
"""Prevention: what a worker is told of its share of the CPUs, and what the serial lane gets back."""
import ast
import os

import pytest

pytestmark = pytest.mark.usefixtures("no_leftovers")

CPUS = sorted(os.sched_getaffinity(0))
NAMES = (
    "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS NUMEXPR_NUM_THREADS RAYON_NUM_THREADS GOMAXPROCS "
    "JULIA_NUM_THREADS PYTHON_CPU_COUNT"
).split()

SUITE = """
import multiprocessing, os, pytest
from os import cpu_count
NAMES = %r
def note():
    seen = {n: os.environ[n] for n in NAMES if n in os.environ}
    seen.update(cpus=sorted(os.sched_getaffinity(0)), count=os.cpu_count(), kept=cpu_count(), mp=multiprocessing.cpu_count())
    name = "serial" if os.environ["PYTEST_CURRENT_TEST"].startswith("test_a.py::test_alone") else os.environ["PYTEST_XDIST_WORKER"]
    with open("log", "a") as log:
        log.write(repr((name, seen)) + "\\n")
@pytest.mark.parametrize("i", range(8))
def test_beside(i):
    import time
    note()
    time.sleep(0.05)
@pytest.mark.parallel_unsafe
def test_alone():
    note()
""" % (NAMES,)



def seen_in(suite, *options, env=None, workers=2):
    suite.write(test_a=SUITE)
    (suite.path / "log").write_text("")
    saved = {name: os.environ.pop(name) for name in NAMES if name in os.environ}
    try:
        result = suite.run("-n", workers, *options, env=env)
    finally:
        os.environ.update(saved)
    assert result.status == 0, result
    found = {}
    for line in (suite.path / "log").read_text().splitlines():
        name, seen = ast.literal_eval(line)
        assert found.setdefault(name, seen) == seen, "a slot's share does not change"
    return result, found


@pytest.mark.parametrize("options", [(), ("--fork-server=off",), ("--sandbox=off",), ("--policy", "hardened", "--write", ".")])
def test_a_worker_has_its_share_and_the_serial_lane_everything(suite, options):
    if "hardened" in options and os.geteuid() != 0:
        pytest.skip("needs root")
    result, seen = seen_in(suite, *options)
    share = max(1, len(CPUS) // 2)
    assert f"each sized for {share} CPU" in result.stderr
    for name in ("gw0", "gw1"):
        assert {n: seen[name][n] for n in NAMES[:-1]} == {n: str(share) for n in NAMES[:-1]}
        assert seen[name]["count"] == seen[name]["kept"] == seen[name]["mp"] == os.cpu_count()
        assert "PYTHON_CPU_COUNT" not in seen[name]
        assert seen[name]["cpus"] == CPUS, "the mask is what tests take for the number of CPUs"
    assert seen["serial"] == {"cpus": CPUS, "count": os.cpu_count(), "kept": os.cpu_count(), "mp": os.cpu_count()}


@pytest.mark.parametrize("options", [(), ("--fork-server=off",), ("--policy", "hardened", "--write", ".")])
def test_with_cpu_view_share_each_worker_has_cpus_of_its_own(suite, options):
    if "hardened" in options and os.geteuid() != 0:
        pytest.skip("needs root")
    result, seen = seen_in(suite, "--cpu-view=share", "--cpu-share=1", *options)
    assert "each 1 CPU" in result.stderr
    if len(CPUS) > 1:
        assert sorted(seen["gw0"]["cpus"] + seen["gw1"]["cpus"]) == CPUS[:2]
    for name in ("gw0", "gw1"):
        assert (seen[name]["count"], seen[name]["kept"], seen[name]["mp"], seen[name]["PYTHON_CPU_COUNT"]) == (1, 1, 1, "1")
    assert seen["serial"]["count"] == seen["serial"]["kept"] == os.cpu_count()
    assert seen["serial"]["cpus"] == CPUS
    assert "PYTHON_CPU_COUNT" not in seen["serial"]


def test_what_the_user_set_stays(suite):
    _, seen = seen_in(suite, env={"OMP_NUM_THREADS": "3", "GOMAXPROCS": "7"})
    for name in ("gw0", "gw1", "serial"):
        assert (seen[name]["OMP_NUM_THREADS"], seen[name]["GOMAXPROCS"]) == ("3", "7")
        assert "OPENBLAS_NUM_THREADS" not in seen[name], "it would overrule the user's OMP_NUM_THREADS"
    assert "RAYON_NUM_THREADS" in seen["gw0"] and "RAYON_NUM_THREADS" not in seen["serial"]


def test_a_policys_value_stays(suite):
    (suite.path / "p.yaml").write_text("policy: mine\nextends: standard\nenvironment:\n  set: [OMP_NUM_THREADS=5]\n")
    _, seen = seen_in(suite, "--policy", "./p.yaml")
    for name in ("gw0", "gw1", "serial"):
        assert seen[name]["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize("options, workers", [(("--cpu-share=off",), 2), (("--cpu-share", "off", "--cpu-view=share"), 2), ((), 1)])
def test_switched_off_or_alone_everything_is_as_it_was(suite, options, workers):
    result, seen = seen_in(suite, *options, workers=workers)
    for what in seen.values():
        assert what == {"cpus": CPUS, "count": os.cpu_count(), "kept": os.cpu_count(), "mp": os.cpu_count()}
    assert "CPU" not in result.stderr.splitlines()[0]


def test_openblas_grows_again_in_the_serial_lane(suite):
    """It was sized when the suite was collected; the variable alone comes too late."""
    pytest.importorskip("numpy")
    suite.write(
        test_a="""
        import ctypes, numpy, pytest
        def threads():
            for path in {l.split()[5] for l in open("/proc/self/maps") if "openblas" in l and ".so" in l}:
                library = ctypes.CDLL(path)
                if hasattr(library, "openblas_get_num_threads"):
                    return library.openblas_get_num_threads()
            pytest.skip("numpy has no OpenBLAS here")
        def test_beside():
            assert threads() == 1
        def test_beside_too():
            assert threads() == 1
        @pytest.mark.parallel_unsafe
        def test_alone():
            assert threads() == %d
        """
        % len(CPUS)
    )
    result = suite.run("-n", 2, "--cpu-share=1")
    assert result.status == 0, result


def test_bad_values_are_refused(suite):
    for value in ("0", "none", "5000", "-1"):
        result = suite.run("--cpu-share", value)
        assert result.status == 4 and "a number of CPUs from 1 to 4096, auto or off" in result.stderr, result
    result = suite.run("--cpu-view", "all")
    assert result.status == 4 and "host or share" in result.stderr, result
