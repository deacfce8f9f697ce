# SPDX-License-Identifier: MIT
"""xdist's hooks, for plugins and conftests that implement them where xdist is not installed, or is off."""
from typing import Any

import pytest


@pytest.hookspec()
def pytest_xdist_setupnodes(config: Any, specs: Any) -> None:
    """Before workers are set up."""


@pytest.hookspec()
def pytest_xdist_newgateway(gateway: Any) -> None:
    """A worker's place was made."""


@pytest.hookspec()
def pytest_xdist_rsyncstart(source: Any, gateways: Any) -> None:
    """Never called: workers share the files."""


@pytest.hookspec()
def pytest_xdist_rsyncfinish(source: Any, gateways: Any) -> None:
    """Never called: workers share the files."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_getremotemodule() -> Any:
    """Never called: workers are no remote modules."""


@pytest.hookspec()
def pytest_configure_node(node: Any) -> None:
    """Before a worker starts: what is put into node.workerinput is in its config.workerinput."""


@pytest.hookspec()
def pytest_testnodeready(node: Any) -> None:
    """A worker is about to run tests."""


@pytest.hookspec()
def pytest_testnodedown(node: Any, error: Any) -> None:
    """A worker ended; `error` says why where it did not do so by itself."""


@pytest.hookspec()
def pytest_xdist_node_collection_finished(node: Any, ids: Any) -> None:
    """The ids of the tests that this worker knows."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Not honoured: shunt decides which worker runs what."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_auto_num_workers(config: Any) -> Any:
    """What -n auto means here."""


@pytest.hookspec(firstresult=True)
def pytest_handlecrashitem(crashitem: Any, report: Any, sched: Any) -> Any:
    """A test ended its worker; the report may be changed before it is shown."""
