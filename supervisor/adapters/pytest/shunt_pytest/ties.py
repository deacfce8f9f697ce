# SPDX-License-Identifier: MIT
"""What plugins ask of lanes. Tests that one ties together run on one worker, in their order, as a group does.

pytest-order sorts, and pytest-dependency remembers in the process what has passed; both are lost where the tests of one
order are dealt to several workers.
"""
import sys
from typing import Any, List, Optional

from .benchmark_support import Lane


def _file(item: Any) -> str:
    return str(item.nodeid).partition("::")[0]


class Ties:
    """group() answers for each test of the suite."""

    def __init__(self, items: List[Any], config: Any, xdist_workers: Any) -> None:
        self.serial = Lane(config, xdist_workers)
        self.order = any(name in sys.modules for name in ("pytest_order", "pytest_ordering"))
        self.order_scope = str(getattr(config.option, "order_scope", None) or "session")
        self.dependency = "pytest_dependency" in sys.modules
        self.auto = self.wide = False
        self.copies = 1  # --dist each: the suite holds so many copies of all tests, one a worker
        if self.dependency:
            self.auto = bool(config.getini("automark_dependency"))
            marks = (mark for item in items for mark in item.iter_markers("dependency"))
            self.wide = any(mark.kwargs.get("scope", "module") in ("session", "package") for mark in marks)

    def group(self, item: Any) -> Optional[str]:
        if self.dependency and (self.auto or item.get_closest_marker("dependency") is not None):
            return "dependency" if self.wide else "dependency:" + _file(item)
        if self.order and any(item.get_closest_marker(name) is not None for name in ("order", "run")):
            if self.order_scope == "class":
                return "order:" + str(item.nodeid).rpartition("::")[0]
            return "order" if self.order_scope == "session" else "order:" + _file(item)
        return None
