# SPDX-License-Identifier: MIT
"""Where a plugin of a Debian package is: installed, or unpacked by `make deps-compat` below build/compat."""
import functools
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
UNPACKED = pathlib.Path(os.environ.get("COMPAT_PACKAGES", HERE.parents[1] / "build" / "compat"))
MODULES = "usr/lib/python3/dist-packages"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def _root(package):
    """Several packages, in one text, are one directory, named like the first."""
    return UNPACKED / (package.split() or ["-"])[0]


def environment(package):
    """Variables with which what is unpacked for `package` is found; a plugin is seen by its own suites only."""
    root = _root(package)
    paths = [str(HERE), str(root / MODULES)]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        "COMPAT_UNPACKED": str(root / MODULES),
        "LD_LIBRARY_PATH": str(root / LIBRARIES),
    }


def missing(package, needs):
    """Those modules that neither the system nor what was unpacked has, and those programs (/usr/bin/…) that are not there."""
    where = _root(package) / MODULES
    return [name for name in needs if not (_program(name) if name.startswith("/") else _module(name, where))]


def _program(path):
    return os.path.exists(path)


@functools.lru_cache(maxsize=None)
def _installed(name):
    """For the interpreter whose pytest is tried, which need not be ours."""
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
    return subprocess.run([os.environ.get("PYTHON", sys.executable), "-c", look], check=False).returncode == 0


def _module(name, where):
    return _installed(name) or any((where / (name + end)).exists() for end in ("", ".py"))
