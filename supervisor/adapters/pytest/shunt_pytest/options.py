# SPDX-License-Identifier: MIT
"""xdist's options: understood as defaults, and xdist itself kept from starting workers."""
import argparse
import re
from typing import Any, Dict, List, Optional, Union

import pytest

DIST = ["each", "load", "loadscope", "loadfile", "loadgroup", "worksteal", "no"]
not_xdists: List[str] = []  # those of them that the installed xdist does not know


def _numprocesses(text: str) -> Union[int, str]:
    if text in ("auto", "logical"):
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, auto or logical") from None


def add_options(parser: Any, has_xdist: bool) -> None:
    """Registers xdist's command line where xdist does not; else makes it accept every --dist that we know."""
    if has_xdist:
        for group in parser._groups:
            for option in group.options:
                if "--dist" in option.names():
                    choices = list(option._attrs.get("choices") or [])
                    not_xdists.extend(d for d in DIST if d not in choices)
                    option._attrs["choices"] = choices + not_xdists
        return
    group = parser.getgroup("xdist", "distributed testing (as read by shunt)")
    add = group._addoption  # pytest reserves lower-case letters
    add("-n", "--numprocesses", dest="numprocesses", metavar="numprocesses", type=_numprocesses, help="workers")
    add("--maxprocesses", dest="maxprocesses", metavar="maxprocesses", type=int, help="at most so many workers")
    add("--max-worker-restart", dest="maxworkerrestart", default=None, help="restarts before the run is given up")
    add("--dist", metavar="distmode", choices=DIST, dest="dist", default="no", help="how tests are distributed")
    add("--tx", dest="tx", action="append", default=[], metavar="xspec", help="workers: 3*popen")
    for name in ("--rsyncdir", "--rsyncignore"):
        add(name, dest=name[2:], action="append", default=[], metavar="DIR", help="not used by shunt")
    add("-d", dest="distload", action="store_true", default=False, help="the same as --dist=load")
    add("--testrunuid", dest="testrunuid", default=None, help="a name for this run")
    for name in ("rsyncdirs", "rsyncignore", "looponfailroots"):
        parser.addini(name, "not used by shunt", type="paths")


def only_xdists_own(namespace: Any) -> None:
    """For a pytest without shunt: what add_options() made xdist accept is refused, as it was to begin with."""
    dist = getattr(namespace, "dist", None)
    if dist in not_xdists:
        raise pytest.UsageError(f"--dist {dist}: the installed xdist does not know it, and this pytest runs without shunt")


def _count_of_specs(specs: List[str]) -> Optional[int]:
    """--tx 3*popen: so many workers. Other machines and other interpreters are not for shunt."""
    count = 0
    for spec in specs:
        times, _, rest = spec.rpartition("*")
        if rest != "popen" or not (times or "1").isdigit():
            raise pytest.UsageError(f"--tx {spec}: expected popen or N*popen: shunt's workers are on this machine, of this Python")
        count += int(times or 1)
    return count or None


class XdistOptions:
    """What the command line and addopts ask of xdist, taken out of its sight."""

    def __init__(self) -> None:
        self.n: Optional[Union[int, str]] = None
        self.n_max = 0  # bounds "auto"
        self.dist = "no"
        self.max_worker_restart: Optional[int] = None
        self.testrunuid: Optional[str] = None

    def neutralise(self, namespace: Any) -> None:
        """Reads the values and leaves ones with which xdist stays idle."""
        n = getattr(namespace, "numprocesses", None)
        if n is not None:
            self.n = n
        limit = getattr(namespace, "maxprocesses", None)
        if limit:
            self.n_max = int(limit)
        dist = getattr(namespace, "dist", "no")
        if dist and dist != "no":
            self.dist = dist
        restart = getattr(namespace, "maxworkerrestart", None)
        if restart is not None and re.fullmatch(r"\d+", str(restart)):
            self.max_worker_restart = int(restart)
        self.testrunuid = getattr(namespace, "testrunuid", None) or self.testrunuid
        if self.n is None:
            self.n = _count_of_specs(getattr(namespace, "tx", None) or [])
        for name, idle in (("numprocesses", None), ("dist", "no"), ("tx", []), ("distload", False)):
            if hasattr(namespace, name):
                setattr(namespace, name, idle)

    def show(self, namespace: Any, workers: int) -> None:
        """Once xdist has looked: what a plugin finds in the process that talks to the user."""
        namespace.numprocesses, namespace.dist = workers, self.dist if self.dist != "no" else "load"
        namespace.tx = ["popen"] * workers

    def no_workers(self) -> bool:
        """-n 0: the tests are not to know that they run in a worker."""
        return self.n == 0

    def as_suite(self, nodes: Any) -> Dict[str, Any]:
        n = self.n
        if n in ("auto", "logical"):
            n = nodes.auto_workers() or n
        if isinstance(n, int):
            n = max(min(n, self.n_max) if self.n_max else n, 0)
        return {
            "n": n,
            "n_max": max(self.n_max, 0),
            "dist": self.dist if self.dist != "no" else None,
            "max_worker_restart": self.max_worker_restart,
        }
