# SPDX-License-Identifier: MIT
"""`import xdist` where xdist is not installed: its four public functions, which is what conftests import from it."""
import importlib.machinery
import sys
from typing import Any, Optional


def is_xdist_worker(request_or_session: Any) -> bool:
    """Is this a worker?"""
    return hasattr(request_or_session.config, "workerinput")


def is_xdist_controller(request_or_session: Any) -> bool:
    """Is this the process that talks to the user, and are there workers beside it?"""
    return not is_xdist_worker(request_or_session) and request_or_session.config.option.dist != "no"


is_xdist_master = is_xdist_controller


def get_xdist_worker_id(request_or_session: Any) -> str:
    """ "gw0", or "master" outside of workers."""
    return str(getattr(request_or_session.config, "workerinput", {}).get("workerid", "master"))


class _Finder:
    """Asked last, when nobody else knows that name. No package: xdist.newhooks and the like are not there."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Optional[importlib.machinery.ModuleSpec]:
        return importlib.machinery.ModuleSpec("xdist", _Loader(), origin="shunt") if name == "xdist" else None


class _Loader:
    @staticmethod
    def create_module(spec: Any) -> None:
        return None

    @staticmethod
    def exec_module(module: Any) -> None:
        module.__doc__ = __doc__
        for function in (is_xdist_worker, is_xdist_controller, get_xdist_worker_id):
            setattr(module, function.__name__, function)
        module.is_xdist_master = is_xdist_controller


def stand_in() -> None:
    """For the rest of this process and its forks."""
    if "xdist" not in sys.modules:
        sys.meta_path.append(_Finder())  # type: ignore[arg-type]
