# SPDX-License-Identifier: MIT
"""A cgroup of the runner's own around everything that it starts, so that a sandbox that fails hurts nobody, and one below
it for each attempt. On v2 that is also what shunt is given: a subtree of its own, the user's where a user runs it."""
import itertools
import os
import pathlib
import signal
import time

TASKS, MEMORY = "3000", str(3 << 30)
OF_SHUNT = "shunt-[0-9]*"


def own_directories():
    """{"pids": directory, "memory": directory} on v1, {"": directory} on v2: where this process lives."""
    found, mounts = {}, {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, _, options = right.split(" ", 2)
        for name in [""] if kind == "cgroup2" else options.split(",") if kind == "cgroup" else []:
            mounts.setdefault(name, left.split()[3:5])
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            if name in mounts:
                root, target = mounts[name]
                inner = os.path.relpath(path, root) if path.startswith(root) else "."
                found[name] = pathlib.Path(target) / ("" if inner.startswith("..") else inner)
    return found


def remove_tree(directory, kill=True):
    """Removes a cgroup and those below it; True when it is gone."""
    deadline = time.monotonic() + 2
    while directory.exists():
        for path in sorted(directory.glob("**/"), reverse=True):
            try:
                for pid in (path / "cgroup.procs").read_text().split() if kill else []:
                    os.kill(int(pid), signal.SIGKILL)
                path.rmdir()
            except OSError:
                pass
        if time.monotonic() > deadline:
            return False
        if directory.exists():
            time.sleep(0.01)
    return True


def let_enter(directory):
    """On v2, what a killed shunt leaves is a cgroup that hands its controllers on, and such a one cannot be entered."""
    for path in sorted(directory.glob("**/"), reverse=True):
        try:
            on = (path / "cgroup.subtree_control").read_text().split()
            (path / "cgroup.subtree_control").write_text(" ".join("-" + name for name in on))
        except OSError:
            pass


class Guard:
    """As an ordinary user there is none: `why` says so, and the counts of the attacks are the only bound."""

    def __init__(self):
        found = own_directories()
        self.mode = "v1" if "pids" in found else "v2" if "" in found else "none"
        self.numbers = itertools.count()
        self.tops, self.why = [], ""
        name = f"escape-{os.getpid()}"
        try:
            if self.mode == "v1":
                for controller, file, value in (("pids", "pids.max", TASKS), ("memory", "memory.limit_in_bytes", MEMORY)):
                    self._make(found[controller] / name, {file: value})
            elif self.mode == "v2":
                self._make(found[""] / name, {"pids.max": TASKS, "memory.max": MEMORY})
                (self.tops[0] / "cgroup.subtree_control").write_text("+pids +memory +cpu")
        except OSError as error:
            self.close()
            self.why = f"{error.filename}: {error.strerror}"

    def _make(self, directory, files):
        directory.mkdir()
        self.tops.append(directory)
        for file, value in files.items():
            (directory / file).write_text(value)

    def place(self, uid):
        """Directories for one attempt, to be joined from outside; they belong to `uid` on v2, as with Delegate=yes."""
        number = next(self.numbers)
        made = []
        for top in self.tops:
            directory = top / f"r{number}"
            directory.mkdir()
            made.append(directory)
            if self.mode == "v2" and uid:
                for path in (directory, *(directory / f"cgroup.{f}" for f in ("procs", "threads", "subtree_control"))):
                    os.chown(path, uid, -1)
        return made

    def close(self):
        for directory in reversed(self.tops):
            remove_tree(directory)
        self.tops = []
