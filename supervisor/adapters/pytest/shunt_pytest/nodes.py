# SPDX-License-Identifier: MIT
"""Workers as xdist's hooks know them: nodes of the controller, with an input on their way in and an output at their end."""
import base64
import json
import os
import sys
from typing import Any, Dict, List, Optional

from .channel import MAX_PAYLOAD

# Hooks of these plugins are for xdist's own way of running: shunt does that work itself.
SELF_MADE = ("pytest_cov", "xdist")
TAG = "\x00"
HOOKS = (
    "pytest_xdist_setupnodes",
    "pytest_xdist_newgateway",
    "pytest_configure_node",
    "pytest_testnodeready",
    "pytest_testnodedown",
    "pytest_xdist_node_collection_finished",
)


class Unfit(ValueError):
    """A value that does not travel between processes."""


def _encode(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return {TAG: "bytes", "v": base64.b64encode(value).decode()}
    if isinstance(value, (tuple, set, frozenset, list)):
        items = [_encode(v, where) for v in value]
        return items if isinstance(value, list) else {TAG: type(value).__name__, "v": items}
    if isinstance(value, dict):
        return {TAG: "dict", "v": [[_encode(k, where), _encode(v, where)] for k, v in value.items()]}
    raise Unfit(f"{where} holds {value!r:.100}: only numbers, text, bytes, lists, tuples, sets and dictionaries travel")


def _decode(value: Dict[str, Any]) -> Any:
    kind, content = value.get(TAG), value.get("v")
    if kind == "bytes":
        return base64.b64decode(str(content))
    if kind == "dict" and isinstance(content, list):
        return {(tuple(k) if isinstance(k, list) else k): v for k, v in content}
    makers: Dict[Any, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
    return makers[kind](content) if kind in makers else value


def dumps(value: Dict[str, Any], where: str) -> str:
    """Raises Unfit."""
    return json.dumps(_encode(value, where), separators=(",", ":"))


def loads(text: Any) -> Dict[str, Any]:
    """{} for anything else than what dumps() made."""
    try:
        value = json.loads(text, object_hook=_decode)
    except (ValueError, TypeError, KeyError):
        return {}
    return value if isinstance(value, dict) else {}


class Spec:
    def __init__(self, name: str) -> None:
        self.id, self.popen, self.chdir = name, True, None

    def __str__(self) -> str:
        return "popen"


class Gateway:
    def __init__(self, name: str) -> None:
        self.id, self.spec = name, Spec(name)

    def __repr__(self) -> str:
        return f"<Gateway id={self.id!r}>"


class Node:
    """What pytest's terminal and xdist's hooks want to know of a worker."""

    def __init__(self, name: str, config: Any = None) -> None:
        self.gateway = Gateway(name)
        self.config = config
        self.workerinput: Dict[str, Any] = {}
        self.workeroutput: Dict[str, Any] = {}
        self.is_down = False
        self.workerinfo: Dict[str, Any] = {
            "id": name,
            "spec": self.gateway.spec,
            "version": sys.version,
            "version_info": tuple(sys.version_info),
            "sysplatform": sys.platform,
            "platform": sys.platform,
            "executable": sys.executable,
            "cwd": os.getcwd(),
        }

    def __repr__(self) -> str:
        return f"<WorkerController {self.gateway.id}>"


class Sched:
    """What pytest_handlecrashitem gets: a test that ended its worker has been run again by then, alone."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.wanted_again = False

    def mark_test_pending(self, item: str) -> None:
        self.wanted_again = True


class Nodes:
    """All workers of a run, on the controller's side."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.known: Dict[str, Node] = {}

    def _implementations(self, name: str) -> List[Any]:
        caller = getattr(self.config.hook, name, None)
        found = caller.get_hookimpls() if caller is not None else []
        return [f for f in found if not str(f.function.__module__).startswith(SELF_MADE)]

    def are_heard(self) -> bool:
        """Does anybody implement a hook that may have something to say to workers before they start?"""
        return any(self._implementations(name) for name in HOOKS[:3])

    def call(self, name: str, **kwargs: Any) -> Any:
        ours = self._implementations(name)
        if not ours:
            return None
        others = [f.plugin for f in getattr(self.config.hook, name).get_hookimpls() if f not in ours]
        return self.config.pluginmanager.subset_hook_caller(name, others)(**kwargs)

    def auto_workers(self) -> Optional[int]:
        """What a hook or the environment says of -n auto."""
        found = self.call("pytest_xdist_auto_num_workers", config=self.config)
        if found is None:
            found = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") or None
        try:
            return max(1, int(found)) if found is not None else None
        except (TypeError, ValueError):
            return None

    def scheduler_notice(self) -> Optional[str]:
        made = self._implementations("pytest_xdist_make_scheduler")
        if not made:
            return None
        code = getattr(made[0].function, "__code__", None)
        where = f"{os.path.relpath(code.co_filename)}:{code.co_firstlineno}" if code is not None else made[0].plugin_name
        return (
            f"shunt: {where}: pytest_xdist_make_scheduler is not used: shunt decides itself which worker runs what; "
            "--dist and xdist_group hold\n"
        )

    def node(self, name: str) -> Node:
        return self.known.setdefault(name, Node(name, self.config))

    def set_up(self, count: int, run_id: str) -> bytes:
        """Asks the hooks what each worker is to know. Raises Unfit."""
        nodes = [self.node(f"gw{i}") for i in range(count)]
        self.call("pytest_xdist_setupnodes", config=self.config, specs=[n.gateway.spec for n in nodes])
        inputs = {}
        for node in nodes:
            name = node.gateway.id
            own = {"workerid": name, "workercount": count, "testrunuid": run_id, "mainargv": sys.argv}
            node.workerinput = dict(own)
            self.call("pytest_xdist_newgateway", gateway=node.gateway)
            self.call("pytest_configure_node", node=node)
            inputs[name] = {k: v for k, v in node.workerinput.items() if k not in own or own[k] != v}
        payload = dumps(inputs, "node.workerinput (pytest_configure_node)").encode("ascii")
        if len(payload) > MAX_PAYLOAD:
            raise Unfit(f"node.workerinput of all workers takes {len(payload)} bytes; at most {MAX_PAYLOAD} travel")
        return payload

    def start(self, count: int, ids: List[str]) -> None:
        for node in [self.node(f"gw{i}") for i in range(count)]:
            self.call("pytest_testnodeready", node=node)
            self.call("pytest_xdist_node_collection_finished", node=node, ids=ids)

    def speaks(self, name: str) -> Node:
        """Something of this worker is shown: where it was replaced, the new one is heard for the first time."""
        node = self.node(name)
        if node.is_down:
            node.is_down = False
            self.call("pytest_testnodeready", node=node)
        return node

    def ended(self, name: str, output: Any, error: Optional[str] = None) -> None:
        node = self.node(name)
        if isinstance(output, str):
            node.workeroutput = loads(output)
        if not node.is_down:
            node.is_down = True
            self.call("pytest_testnodedown", node=node, error=error)
