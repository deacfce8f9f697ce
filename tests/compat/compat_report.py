# SPDX-License-Identifier: MIT
"""A plugin of three hooks, loaded in all three modes: writes what the user would be told of each test, as JSON lines."""
import json
import os


def pytest_configure(config):
    config.pluginmanager.register(_Writer(config), "compat-writer")


class _Writer:
    def __init__(self, config):
        self.config = config
        self.pid = os.getpid()
        self.path = os.environ.get("COMPAT_REPORT")

    def pytest_runtest_logreport(self, report):
        # Workers have reports too; only the process that talks to the user counts.
        if not self.path or os.getpid() != self.pid or "PYTEST_XDIST_WORKER" in os.environ:
            return
        entry = {
            "id": report.nodeid,
            "when": report.when,
            "outcome": report.outcome,
            "xfail": getattr(report, "wasxfail", None) is not None,
            "properties": [[name, str(value)] for name, value in report.user_properties],
            "sections": [[title, text] for title, text in report.sections],
        }
        with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(json.dumps(entry) + "\n")
