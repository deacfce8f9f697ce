# SPDX-License-Identifier: MIT
"""A debugger in a worker: asks shunt for a terminal before it speaks, and gives it back when it is left."""
import os
import sys
from typing import Any, List, Optional

import pytest

from .channel import Channel, close_fds


class Debugger:
    """Registered as a plugin in a worker. --pdb, --trace, breakpoint() and pytest.set_trace() all come through pytestPDB."""

    def __init__(self, config: Any, channel: Channel) -> None:
        self.config = config
        self.channel = channel
        self.pid = os.getpid()
        self.saved: Optional[List[int]] = None  # descriptors 0, 1 and 2 while a debugger has others
        self.screen: Optional[Any] = None
        self._hook_in()

    def _hook_in(self) -> None:
        from _pytest.debugging import pytestPDB

        init, wrapper_class = pytestPDB._init_pdb.__func__, pytestPDB._get_pdb_wrapper_class.__func__  # type: ignore
        debugger = self

        def init_pdb(cls: Any, method: str, *args: Any, **kwargs: Any) -> Any:
            debugger.begin()
            return init(cls, method, *args, **kwargs)

        def get_pdb_wrapper_class(cls: Any, pdb_cls: Any, capman: Any) -> Any:
            class Pdb(wrapper_class(cls, pdb_cls, capman)):  # type: ignore[misc]
                """Stops again at a breakpoint of its own after it was continued."""

                def interaction(self, *args: Any, **kwargs: Any) -> Any:
                    debugger.begin()
                    return super().interaction(*args, **kwargs)

            return Pdb

        pytestPDB._init_pdb = classmethod(init_pdb)  # type: ignore[assignment]
        pytestPDB._get_pdb_wrapper_class = classmethod(get_pdb_wrapper_class)  # type: ignore[assignment]
        pytestPDB._wrapped_pdb_cls = None

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_exception_interact(self) -> Any:
        """--pdb shows the failure before it asks for a debugger."""
        if not self.config.option.usepdb:
            yield
            return
        self.begin()
        yield
        self.end()

    @pytest.hookimpl(trylast=True)
    def pytest_leave_pdb(self) -> None:
        self.end()

    def begin(self) -> None:
        if self.saved is not None or os.getpid() != self.pid:
            return
        self._suspend_capture()
        self.channel.send({"t": "debug"})
        message = self.channel.recv()
        while message.type != "terminal":
            message = self.channel.recv()
        fd = message.fds[0] if message.fds else os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self.saved = [os.dup(n) for n in (0, 1, 2)]
        if message.header.get("fds") == ["terminal"]:
            for n in (0, 1, 2):
                os.dup2(fd, n)
            self._show_on(fd)
        else:  # nobody sits there: the input is what pytest alone would read
            os.dup2(fd, 0)
            os.close(fd)
            self._show_on(os.dup(1))

    def end(self) -> None:
        if self.saved is None or os.getpid() != self.pid:
            return
        going_on = self._suspend_capture()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass
        for n, fd in enumerate(self.saved):
            os.dup2(fd, n)
        close_fds(self.saved)
        self.saved = None
        self._show_on(None)
        if going_on is not None:
            going_on.resume()
        self.channel.send({"t": "debug-end"})

    def test_is_over(self) -> None:
        """Somebody stepped out of the test: what follows is pytest and this plugin."""
        if self.saved is not None:
            sys.settrace(None)
            self.end()

    def _suspend_capture(self) -> Any:
        """The capture manager where it was capturing, to go on later."""
        manager = self.config.pluginmanager.getplugin("capturemanager")
        if manager is None:
            return None
        capturing = getattr(getattr(manager, "_global_capturing", None), "_state", "suspended") != "suspended"
        manager.suspend(in_=True)
        return manager if capturing else None

    def _show_on(self, fd: Optional[int]) -> None:
        """pytest's terminal writer, which is silent in a worker, is heard meanwhile."""
        writer = getattr(self.config.pluginmanager.getplugin("terminalreporter"), "_tw", None)
        if writer is None:
            return
        if self.screen is not None:
            self.screen.close()
        self.screen = None if fd is None else os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        writer._file = self.screen or open(os.devnull, "w", encoding="utf-8")
