# SPDX-License-Identifier: MIT
"""Reads the table of attempts."""
import fnmatch
import pathlib
import re
import typing

HERE = pathlib.Path(__file__).resolve().parent
POLICIES = ("observe", "standard", "hardened", "container")
USERS = ("root", "ordinary")
WORDS = ("refused", "contained", "open", "works", "rejected")
VERDICTS = ("tasks", "memory", "timeout")
GROUPS = {"rights": "EPERM EACCES ENOSYS", "unseen": "ESRCH ENOENT", "none": ""}
COLUMNS = ("row", "attack", "setup", "guard", "bare", "errnos", *POLICIES)

# What runs unless everything is asked for: standard and hardened as a whole; observe, where it promises something; of
# container, which is standard with some rungs less, a few of each kind; and the drills as below.
OF_CONTAINER = """signal-* ptrace-outside kill-init launcher-overwrite write-tmp own-tmp write-shm symlinked-* cgroup-*
    mount-tmpfs mount-proc umount-proc open-tree nested-userns-* unshare-mnt unshare-net setuid-program file-capabilities
    no-new-privileges all-capabilities tiocsti tioclinux-wide io-uring keyctl bpf unknown-call host-name i386-unshare
    sysv-memory fork-bomb memory-bomb shm-flood ignores-sigterm daemonises hops""".split()
DRILL_PAIRS = {("hardened", "root"), ("standard", "ordinary")}
DRILLS_OF_ALL = ("kill-exec", "kill-run-frozen")  # under both policies as both users

# On another kernel, and cgroup v2 (tests/vm/check_escape.sh): what differs by these, and one of each kind. The first under
# both policies as both users, the others as the drills.
IN_VM_ALL = "cgroup-join-another cgroup-raise-* cgroup-nest fork-bomb".split()
IN_VM = """kill-init signal-outside-pidfd write-tmp cgroup-mount mount-proc open-tree nested-userns-unshare
    nested-userns-clone3 setns-pidfd io-uring unknown-call host-loopback own-loopback
    memory-bomb left-stopped hops kill-exec kill-run-frozen""".split()



class Row(typing.NamedTuple):
    name: str
    section: str
    attack: typing.List[str]
    setup: typing.List[str]
    in_run: bool
    guard: typing.FrozenSet[str]
    bare: str
    errnos: typing.FrozenSet[str]
    expect: typing.Dict[str, typing.Tuple[str, str]]
    why: str

    def expected(self, policy, user):
        return self.expect[policy][USERS.index(user)] if policy in self.expect else "open"

    def can_bare(self, user):
        return self.bare.rstrip("?") in ("both", "root" if user == "root" else "user")

    @property
    def is_drill(self):
        return self.attack == ["drill"]


def is_named(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def is_brief(row, policy, user):
    if row.is_drill:
        of_all = row.name in DRILLS_OF_ALL and policy in ("standard", "hardened")
        return of_all or (policy, user) in DRILL_PAIRS
    if policy == "observe":
        return row.expected(policy, user) != "open"
    return policy != "container" or is_named(row.name, OF_CONTAINER)


def is_in_vm(row, policy, user):
    of_pair = (policy, user) in DRILL_PAIRS and is_named(row.name, IN_VM)
    return policy in ("standard", "hardened") and is_named(row.name, IN_VM_ALL) or of_pair


def errnos_of(text):
    return frozenset(e for word in text.split() for e in GROUPS.get(word, word).split())


def cell_of(text, where):
    both = tuple(part.strip() for part in text.split("/"))
    both = both * 2 if len(both) == 1 else both
    for part in both:
        if any(word not in WORDS + VERDICTS for word in part.split(",")) or len(both) != 2:
            raise ValueError(f"{where}: no expectation: {text!r}")
    return both


def row_of(fields, section, where):
    if not len(COLUMNS) <= len(fields) <= len(COLUMNS) + 1:
        raise ValueError(f"{where}: {len(fields)} columns, not {len(COLUMNS)} and a reason")
    name, attack, setup, guard, bare, errnos = fields[:6]
    why = fields[len(COLUMNS)] if len(fields) > len(COLUMNS) else ""
    if bare.rstrip("?") not in ("both", "root", "user", "no") or (bare == "no" and not why):
        raise ValueError(f"{where}: {name}: who can do it bare? And \"no\" needs a reason")
    words = [w for w in setup.split() if w != "none"]
    cells = fields[6 : len(COLUMNS)]
    return Row(
        name,
        section,
        attack.split(),
        [w for w in words if w != "run"],
        "run" in words,
        frozenset(guard.split()),
        bare,
        errnos_of(errnos),
        {policy: cell_of(cell, f"{where}: {name}") for policy, cell in zip(POLICIES, cells)},
        why,
    )


def read(path=HERE / "table"):
    rows, section = [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            section = line[3:]
        elif line.strip() and not line.startswith("#"):
            rows.append(row_of([f.strip() for f in line.split("|")], section, f"{path.name}:{number}"))
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{path.name}: named twice: {', '.join(sorted(twice))}")
    return rows


def complaints_about(document, rows):
    """Rows that the threat model does not name, and names in it that are no rows. Only runs of `a-b` words count."""
    text = document.read_text()
    words = {w for w in re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", text) if w not in ("code", "run", "missing", "absent", "succeeded")}
    names = {row.name for row in rows}
    yield from (f"{document.name} does not name the row {name}" for name in sorted(names - words))
    yield from (f"{document.name}: there is no row {word}" for word in sorted(words - names))
