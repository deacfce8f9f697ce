# SPDX-License-Identifier: MIT
"""What the parts of the plugin know in common, in one place."""
import io
import os
from typing import Any, Dict, Optional

from .blackbox import EarlyExit
from .channel import Channel
from .identity import EarlyReads, SeedWatch
from .options import XdistOptions


class State:
    """One a process; a forked worker goes on with its copy."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.channel: Optional[Channel] = None
        self.cold_worker = False
        self.options = XdistOptions()
        self.early_reads: Optional[EarlyReads] = None
        self.seed_watch: Optional[SeedWatch] = None
        self.early_exit: Optional[EarlyExit] = None
        self.random_state: Optional[Any] = None
        self.run_id = ""
        self.unseen: Optional[io.StringIO] = None  # what a cold worker would have shown while it collected
        self.want_markers = False  # somebody's filter asks for them
        self.asked_workers = 0  # of shunt's own command line; 0: none
        self.node_inputs: Dict[str, Any] = {}  # of cold workers
        self.enter_lib = ""
