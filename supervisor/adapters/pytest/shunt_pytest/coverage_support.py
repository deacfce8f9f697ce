# SPDX-License-Identifier: MIT
"""pytest-cov in forked workers: one coverage object each, with a data file that the controller combines at the end."""
import os
import time
from typing import Any, Optional

INTERVAL_S = 2.0


class WorkerCoverage:
    """Replaces the inherited, running measurement by one of the worker's own."""

    @classmethod
    def start(cls, config: Any) -> Optional["WorkerCoverage"]:
        controller = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        inherited = getattr(controller, "cov", None)
        if inherited is None:
            return None
        import coverage

        inherited.stop()
        own = coverage.Coverage(
            source=controller.cov_source,
            branch=controller.cov_branch,
            data_file=os.path.abspath(inherited.config.data_file),
            data_suffix=True,
            config_file=controller.cov_config,
        )
        own.start()
        controller.cov = own
        return cls(own)

    def __init__(self, cov: Any) -> None:
        self.cov = cov
        self.saved = time.monotonic()

    def save_sometimes(self) -> None:
        """Between tests, every few seconds: so much at most is lost with a killed worker."""
        if time.monotonic() - self.saved > INTERVAL_S:
            self.cov.stop()
            self.cov.save()
            self.cov.start()
            self.saved = time.monotonic()

    def finish(self) -> None:
        self.cov.stop()
        self.cov.save()
