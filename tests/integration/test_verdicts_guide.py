# SPDX-License-Identifier: MIT
"""docs/verdicts.md: each test in it provokes the verdict of its section, with the command that is shown."""
import platform
import re
import shlex

import pytest
from conftest import ROOT, needs_cgroups, needs_stalls

GUIDE = (ROOT / "docs" / "verdicts.md").read_text()
PARTS = re.split(r"^## (.+)$", GUIDE, flags=re.M)
SECTIONS = {name: text for name, text in zip(PARTS[1::2], PARTS[2::2]) if "```python" in text}
# They depend on how busy the machine is: test_verdicts_time.py has them.
BY_LOAD = ("cpu", "contention")
NEEDS = {"tasks": needs_cgroups, "memory": needs_cgroups, "leak": needs_cgroups, "stall": needs_stalls}
if platform.machine() != "x86_64":
    NEEDS["denied"] = pytest.mark.skip(reason="the number of getpid is that of x86-64")

pytestmark = pytest.mark.usefixtures("no_leftovers")


def first_lines(text):
    """Of the incidents that the section shows, without what differs from run to run."""
    shown = text[text.index("**Shown**") : text.index("**Reproduce**")]
    return [general(line.strip()) for line in shown.splitlines() if re.match(r"    [✗!] ", line)]


def general(line):
    line = re.sub(r"worker \d", "worker N", line)
    line = re.sub(r"oom_kill [1-9]\d*", "oom_kill N", line)  # v2 may count one process twice
    # Who notices first: the worker, or shunt.
    line = line.replace("lost its channel to shunt: a descriptor was closed or replaced", "closed its channel to shunt")
    line = re.sub(r"(runs|waits) at (\S+):\d+", r"\1 at \2", line)
    return re.sub(r"\d+(\.\d+)?(?= s\b|ms|MiB| more refused)", "N", line)


def test_the_guide_has_them():
    assert len(SECTIONS) >= 10


@pytest.mark.parametrize("verdict", [pytest.param(name, marks=NEEDS.get(name, ())) for name in SECTIONS if name not in BY_LOAD])
def test_reproduction(suite, verdict):
    text = SECTIONS[verdict]
    command = re.search(r"^    \$ shunt run (.*) -- pytest (\S+)$", text, re.M)
    assert command, "no command in this section"
    (suite.path / command.group(2)).write_text(re.search(r"```python\n(.*?)```", text, re.S).group(1))
    result = suite.run(*shlex.split(command.group(1)), pytest_args=[command.group(2)])
    assert {v for _, v in result.verdicts()} == {verdict}, result
    seen = {general(line.strip()) for line in result.stderr.splitlines() if line.startswith(("✗", "!"))}
    wanted = first_lines(text)
    if verdict == "leak" and not re.search(r"each worker its own,[^;]*/tmp", result.stderr):
        wanted = [line for line in wanted if "file in /tmp" not in line]
    assert wanted and set(wanted) <= seen, (wanted, result)
