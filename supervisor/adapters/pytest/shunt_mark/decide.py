# SPDX-License-Identifier: MIT
"""From measurements to markers; pure. The rules are in docs/parallel-safety.md, "What mark proposes"."""
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from .document import Incident, Measured

# Of others the test is not the cause (external, contention), or running it alone is no answer (leak, denied, protocol).
ANSWERED_BY_LANE = {"tasks", "memory", "stall", "timeout", "signal", "exit", "cpu"}
PASSED = {"passed", "passed-serial", "flaky", "xfailed", "xpassed"}
STRETCH = 2  # a parallel slot can give up to this many times its limit
CLASS_LEAST, CLASS_SHARE = 3, (2, 3)
CLEAN_RUNS = 3
LEAST_LIMIT = 16  # of tasks that a parallel worker has, where no limit is known
MIB = 1 << 20
# So the texts of such incidents begin (supervisor/run/detect/blame.c).
LEFT_BEHIND = ("by what it left behind", "by a thread that it started")

Key = Tuple[str, Tuple[str, ...]]  # file, names


class Need(NamedTuple):
    """What a function, or a class as a whole, needs."""

    file: str
    names: Tuple[str, ...]
    serial: bool
    tasks: int  # 0: no limit of its own
    memory_mib: int
    evidence: List[str]

    def marker(self, serial_marker: str) -> str:
        if self.serial:
            return serial_marker
        words = [f"tasks={self.tasks}"] if self.tasks else []
        words += [f'memory="{self.memory_mib}M"'] if self.memory_mib else []
        return f"shunt({', '.join(words)})"


def tasks_for(peak: int) -> int:
    """Half more than was measured, in steps of 8: a limit of its own is the test's in the serial lane, too, and ends it there."""
    return -(-(peak * 3) // 16) * 8


def memory_for(peak_bytes: int) -> int:
    """In MiB: half more, in steps of 64."""
    return -(-(peak_bytes * 3) // (2 * 64 * MIB)) * 64


def _sentence(incident: Incident, runs: int) -> str:
    if incident.verdict == "tasks" and incident.limit:
        what = f"hit {incident.limit} of {incident.limit} tasks"
    else:
        what = f"{incident.verdict}: {incident.text}" if incident.text else incident.verdict
    return f"{what} in {incident.runs} of {max(runs, incident.runs)} runs"


def evidence_of(test: Measured) -> str:
    parts = [_sentence(i, test.runs) for i in test.incidents if i.verdict in ANSWERED_BY_LANE]
    in_serial = test.peak_tasks_lane == "serial"
    if in_serial and test.peak_tasks and any(i.verdict == "tasks" for i in test.incidents):
        parts.append(f"needs {test.peak_tasks}, measured in the serial lane")
    if in_serial and test.peak_memory and any(i.verdict == "memory" for i in test.incidents):
        parts.append(f"needs {-(-test.peak_memory // MIB)} MiB, measured in the serial lane")
    if test.serial_outcome in PASSED:
        parts.append("passes there" if len(parts) > len(test.incidents) else "passes in the serial lane")
    return "; ".join(parts)


def _limit(test: Measured, verdict: str) -> Optional[int]:
    limits = [i.limit for i in test.incidents if i.verdict == verdict]
    known = [limit for limit in limits if limit]
    return max(known) if known and len(known) == len(limits) else None


def _wider(test: Measured) -> Optional[Tuple[int, int]]:
    """(tasks, MiB) that a parallel slot can reasonably give; None: it needs the serial lane. So does what needs less alone than
    the limit that it hit beside others: earlier tests of its worker had left a pool behind, and no number is known."""
    verdicts = {i.verdict for i in test.incidents if i.verdict in ANSWERED_BY_LANE}
    if not verdicts or verdicts - {"tasks", "memory"} or test.peak_tasks_lane != "serial":
        return None
    tasks = memory = 0
    if "tasks" in verdicts:
        limit = _limit(test, "tasks")
        if not limit or not limit < test.peak_tasks <= STRETCH * limit:
            return None
        tasks = tasks_for(test.peak_tasks)
    if "memory" in verdicts:
        limit = _limit(test, "memory")
        if not limit or not limit < test.peak_memory <= STRETCH * limit:
            return None
        memory = memory_for(test.peak_memory)
    return tasks, memory


class Decisions(NamedTuple):
    needs: List[Need]
    notes: List[str]
    unneeded: List[Tuple[Key, str]]


def _group(tests: List[Measured]) -> Dict[Key, List[Measured]]:
    found: Dict[Key, List[Measured]] = {}
    for test in tests:
        found.setdefault((test.file, tuple(test.names)), []).append(test)
    return found


def _of_function(key: Key, tests: List[Measured], notes: List[str]) -> Optional[Need]:
    offenders = []
    for test in tests:
        if test.why == "marker" or not any(i.verdict in ANSWERED_BY_LANE for i in test.incidents):
            continue
        lasting = [prefix for i in test.incidents for prefix in LEFT_BEHIND if i.text.startswith(prefix)]
        if lasting:
            notes.append(f"{test.id}: ended its worker {lasting[0]}: mend the test; a marker would only hide it")
        elif test.serial_outcome is None:
            notes.append(f"{test.id}: {evidence_of(test)}; not yet measured in the serial lane: run it once more")
        elif test.serial_outcome not in PASSED:
            notes.append(f"{test.id}: {evidence_of(test)}; {test.serial_outcome} alone as well: a marker does not help it")
        else:
            offenders.append(test)
    if not offenders:
        return None
    wider = [_wider(test) for test in offenders]
    known = [w for w in wider if w is not None]
    serial = len(known) < len(wider)
    evidence = [f"{test.id}: {evidence_of(test)}" for test in offenders[:8]]
    if len(offenders) > 8:
        evidence.append(f"... and {len(offenders) - 8} more parameters")
    if len(offenders) < len(tests):
        evidence.append(f"only {len(offenders)} of {len(tests)} parameters; the marker is for all of them")
    return Need(key[0], key[1], serial, max([0] + [k[0] for k in known]), max([0] + [k[1] for k in known]), evidence)


def _lift(needs: List[Need], groups: Dict[Key, List[Measured]]) -> List[Need]:
    """Classes instead of functions where most of a class offends."""
    members: Dict[Key, Set[Tuple[str, ...]]] = {}
    for file, names in groups:
        if len(names) > 1:
            members.setdefault((file, names[:-1]), set()).add(names)
    out: List[Need] = []
    lifted: Dict[Key, List[Need]] = {}
    for need in needs:
        owner = (need.file, need.names[:-1])
        of_class = [n for n in needs if (n.file, n.names[:-1]) == owner] if len(need.names) > 1 else []
        share = len(of_class) * CLASS_SHARE[1] >= len(members.get(owner, ())) * CLASS_SHARE[0]
        if len(of_class) >= CLASS_LEAST and share:
            lifted[owner] = of_class
        else:
            out.append(need)
    for (file, names), of_class in lifted.items():
        evidence = [line for n in of_class for line in n.evidence]
        evidence.insert(0, f"{len(of_class)} of {len(members[(file, names)])} tests of {'::'.join(names)}:")
        serial = any(n.serial for n in of_class)
        out.append(
            Need(file, names, serial, max(n.tasks for n in of_class), max(n.memory_mib for n in of_class), evidence)
        )
    return sorted(out, key=lambda n: (n.file, n.names))


def _is_unneeded(test: Measured) -> bool:
    limits = [i.limit for i in test.incidents if i.verdict == "tasks" and i.limit]
    limit = test.limit or (min(limits) if limits else LEAST_LIMIT)
    return (
        test.why == "marker"
        and test.clean_runs >= CLEAN_RUNS
        and 0 < test.peak_tasks * 2 <= limit
        and (test.peak_memory == 0 or not any(i.verdict == "memory" for i in test.incidents))
    )


def decide(tests: List[Measured]) -> Decisions:
    groups = _group(tests)
    notes: List[str] = []
    needs = []
    unneeded = []
    for key in sorted(groups):
        need = _of_function(key, groups[key], notes)
        if need is not None:
            needs.append(need)
        elif all(_is_unneeded(test) for test in groups[key]):
            peak = max(test.peak_tasks for test in groups[key])
            clean = min(test.clean_runs for test in groups[key])
            unneeded.append((key, f"{clean} clean runs, at most {peak} task{'s' if peak != 1 else ''}"))
    return Decisions(_lift(needs, groups), notes, unneeded)
