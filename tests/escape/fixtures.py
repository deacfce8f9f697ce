# SPDX-License-Identifier: MIT
"""What the runner makes outside for an attempt, and how it sees afterwards whether the attempt reached it.

Each setup of the table is a function here: it gets the Attempt, sets `values` for the attack's arguments, and adds
`proofs`, functions that say what has changed outside (None: nothing)."""
import contextlib
import ctypes
import fcntl
import hashlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

import guard

UID = 1000
libc = ctypes.CDLL(None, use_errno=True)


class Bench:
    """What all attempts share: programs and directories."""

    def __init__(self, shunt, attack, guard, top):
        self.guard, self.top, self.shunt_built = guard, top, shunt
        self.less = {}  # (policy, user): a file that requires nothing, where the policy as it is ends with status 6
        self.missing = {}  # (policy, user): guarantees that shunt says are not in force here
        self.programs = top / "programs"
        self.programs.mkdir()
        self.attack = self.programs / "attack"
        shutil.copy2(attack, self.attack)
        self.shunt = self.copy_shunt(self.programs)

    def require_nothing(self, policy, user):
        file = self.top / f"{policy}-less.yaml"
        file.write_text(f"policy: {policy}-less\nsummary: \"{policy}, as far as it goes here\"\nextends: {policy}\nrequire: [-tasks, -memory, -kill, -pid, -mount, -net, -readonly, -caps, -seccomp]\n")
        self.less[policy, user] = str(file)

    def copy_shunt(self, to):
        """A program of shunt's with all that belongs to it, which may be lost."""
        built = self.shunt_built.parent
        for name in (self.shunt_built.name, "libshunt-enter.so", "lib", "share"):
            source = built / name
            if source.is_dir():
                shutil.copytree(source, to / name, symlinks=True)
            elif source.exists():
                shutil.copy2(source, to / name)
        return to / self.shunt_built.name


class Attempt:
    """One attack under one policy (or bare), its surroundings, and what is to be looked at afterwards."""

    def __init__(self, bench, row, policy, user, number):
        self.bench, self.row, self.policy, self.user = bench, row, policy, user
        self.policy_argument = bench.less.get((policy, user), policy)
        self.uid = UID if user == "ordinary" and os.getuid() == 0 else os.getuid()
        self.mark = f"{os.getpid()}-{number}-{os.urandom(3).hex()}"
        self.top = bench.top / f"a{number}"
        self.work = self.top / "work"
        self.values = {"work": str(self.work), "mark": self.mark}
        self.proofs, self.options, self.fds = [], [], []
        self.stdin, self.terminal, self.unread = subprocess.DEVNULL, False, False
        self.shunt, self.attack = bench.shunt, bench.attack
        self.tasks, self.memory, self.timeout = 128, "400M", "25s"
        self.other_places = []
        self.while_running, self.last_words = None, []
        # Where no time limit is promised, what runs into one is not waited for.
        self.endless = {"brief", "unread"} & set(row.setup) and row.expected(policy, user) == "open"
        self.stack = contextlib.ExitStack()
        self.prepared = False

    def __enter__(self):
        self.top.mkdir()
        self.directory(self.work)
        self.places = self.bench.guard.place(self.uid)
        try:
            for name in self.row.setup:
                SETUPS[name](self)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()
        for place in self.other_places:
            guard.remove_tree(place)
        shutil.rmtree(self.top, ignore_errors=True)

    def directory(self, path):
        path.mkdir(exist_ok=True)
        self.own(path)
        return path

    def own(self, path):
        if self.uid != os.getuid():
            os.chown(path, self.uid, self.uid)

    def file(self, path, text="before\n"):
        path.write_text(text)
        self.own(path)
        return path

    def unchanged(self, path, text="before\n"):
        """A proof that the file still says so."""

        def proof():
            try:
                now = path.read_text()
            except OSError as error:
                return f"{path}: {error.strerror}"
            return None if now == text else f"{path} was changed to {now[:40]!r}"

        self.proofs.append(proof)

    def prefix(self):
        """The words before the command: into the cgroup, away from the host's mounts and name, a session with the
        terminal, the user. Under every policy: one that enforces nothing attacks what is outside for real."""
        words = []
        if self.places:
            joins = " && ".join(f"echo $$ > '{place}/cgroup.procs'" for place in self.places)
            words += ["/bin/sh", "-c", f'{joins} && exec "$@"', "sh"]
        if os.getuid() == 0:
            words += ["unshare", "--mount", "--uts", "--propagation=private"]
        if self.terminal:
            words += ["setsid", "--ctty", "--wait"]
        if self.uid != os.getuid():
            words += ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--inh-caps=-all"]
        return words + self.last_words

    def environment(self):
        kept = {k: os.environ[k] for k in ("PATH", "LANG") if k in os.environ}
        return {**kept, "HOME": str(self.work), "PYTHONDONTWRITEBYTECODE": "1"}

    def arguments(self):
        """The attack's words with the values in."""
        return [re.sub(r"\{(\w+)\}", lambda m: str(self.values[m.group(1)]), word) for word in self.row.attack]


def host_namespaces():
    """What the attack program must not be in, to do what cannot be done harmlessly."""
    return "--host=" + ",".join(str(os.stat(f"/proc/self/ns/{kind}").st_ino) for kind in ("mnt", "uts"))


def processes_with(mark):
    """{pid: state} of all that carry the mark in their command line, zombies aside."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"--mark={mark}".encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found[int(pid)] = state
        except OSError:
            pass
    return found


def described(pid):
    """Name, state and waiting place of a process that should be gone."""
    try:
        proc = pathlib.Path(f"/proc/{pid}")
        name, _, rest = (proc / "stat").read_text().partition("(")[2].rpartition(")")
        return f"{name} {rest.split()[0]} {(proc / 'wchan').read_text()}"
    except OSError:
        return "gone by now"


def is_doomed(pid):
    """It has been killed, and has only not got a processor yet to end on."""
    try:
        flags = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6]
        pending = re.search(r"^SigPnd:\s+(\w+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1)
        return bool(int(flags) & 4 or int(pending, 16) & 1 << (signal.SIGKILL - 1))  # 4: PF_EXITING
    except OSError:
        return True


def is_attack(pid):
    """And not the shunt around it. Its program is hidden from an ordinary user, its name is not."""
    return pathlib.Path(f"/proc/{pid}/comm").read_text() == "attack\n"


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


# ---- processes -------------------------------------------------------------------------------


class Victim:
    """A process that says what reaches it. `command` runs the attack program with "victim"."""

    def __init__(self, attempt, command):
        self.process = subprocess.Popen(
            command, cwd=attempt.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=attempt.environment(),
        )
        attempt.stack.callback(self.end)
        ready, _, _ = select.select([self.process.stdout], [], [], 10)
        words = self.process.stdout.readline().split() if ready else []
        if len(words) != 2:
            raise RuntimeError(f"no victim came up: {words}")
        self.pid, self.address = int(words[0]), words[1]

    def end(self):
        """The rest of what it said."""
        if self.process.poll() is None:
            try:
                return self.process.communicate("", timeout=5)[0]
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
                return "it had to be killed\n"
        return f"it is dead: {self.process.returncode}\n"

    def proof(self):
        said = self.end()
        return None if said == "victim: succeeded untouched\n" else f"the process outside says {said!r}"


@contextlib.contextmanager
def other_place(attempt):
    """Who is started meanwhile lives in cgroups of its own: on v2 it would be a stranger in those of shunt."""
    places, attempt.places = attempt.places, attempt.bench.guard.place(attempt.uid)
    yield
    attempt.other_places += attempt.places
    attempt.places = places


def victim(attempt):
    with other_place(attempt):
        command = [*attempt.prefix(), str(attempt.attack), f"--mark=victim-{attempt.mark}", "victim"]
    process = Victim(attempt, command)
    attempt.values.update(victim=process.pid, address=process.address)
    attempt.proofs.append(process.proof)


def sibling(attempt):
    """The same, but in a sandbox of its own under the same policy: its number is the host's."""
    mark = f"sibling-{attempt.mark}"
    with other_place(attempt):
        command = [*attempt.prefix(), str(attempt.shunt), "exec", "--policy", attempt.policy_argument, "--"]
    process = Victim(attempt, [*command, str(attempt.attack), f"--mark={mark}", "victim"])
    inside = [pid for pid in processes_with(mark) if is_attack(pid)]
    if len(inside) != 1:
        raise RuntimeError(f"the other sandbox holds {inside}")
    attempt.values["sibling"] = inside[0]
    attempt.proofs.append(process.proof)


def hostuid(attempt):
    """Whose process it is on the host."""
    seen = []

    def look():
        for pid in processes_with(attempt.mark):
            try:
                if is_attack(pid):
                    status = pathlib.Path(f"/proc/{pid}/status").read_text()
                    seen.append(re.search(r"^Uid:\s+(.*)$", status, re.M).group(1).split())
            except OSError:
                pass
        return seen

    attempt.while_running = lambda: wait_until(look, 3)
    attempt.proofs.append(
        lambda: "nobody was seen" if not seen else "it is root on the host" if "0" in seen[0] else None
    )


# ---- files -----------------------------------------------------------------------------------


def outside(attempt):
    directory = attempt.directory(attempt.top / "outside")
    file = attempt.file(directory / "file")
    attempt.values.update(outside=file, outsidedir=directory)
    attempt.unchanged(file)
    attempt.proofs.append(lambda: f"there is {directory}/file.new" if (directory / "file.new").exists() else None)


def named(attempt):
    """A path that --write names."""
    directory = attempt.directory(attempt.top / "named")
    attempt.file(directory / "file")
    attempt.values["named"] = directory
    attempt.options += ["--write", str(directory)]


def planted(attempt):
    """The same, but somebody has replaced it by a symlink to what is none of its business."""
    directory = attempt.directory(attempt.top / "outside")
    file = attempt.file(directory / "file")
    link = attempt.work / "build"
    link.symlink_to(directory)
    attempt.values["planted"] = link
    attempt.options += ["--write", str(link)]
    attempt.unchanged(file)


def plantedabove(attempt):
    """The same one level higher: the named path itself is an honest directory, if one follows the link."""
    directory = attempt.directory(attempt.top / "outside")
    file = attempt.file(attempt.directory(directory / "inner") / "file")
    link = attempt.work / "build"
    link.symlink_to(directory)
    attempt.values["planted"] = link
    attempt.options += ["--write", str(link / "inner")]
    attempt.unchanged(file)


def temporary(attempt, parent):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="escape-", dir=parent))
    attempt.stack.callback(shutil.rmtree, directory, ignore_errors=True)
    attempt.own(directory)
    directory.chmod(0o755)
    return directory


def hosttmp(attempt):
    directory = temporary(attempt, "/tmp")
    attempt.values["hosttmp"] = directory
    attempt.unchanged(attempt.file(directory / "file"))
    attempt.proofs.append(lambda: None if os.listdir(directory) == ["file"] else f"in {directory}: {os.listdir(directory)}")


def hostshm(attempt):
    directory = temporary(attempt, "/dev/shm")
    file = attempt.file(directory / "file")
    attempt.values["hostshm"] = file
    attempt.unchanged(file)


def flood(attempt):
    """Nothing of a flood may be left outside."""

    def proof():
        found = [p for d in ("/tmp", "/var/tmp", "/dev/shm") for p in pathlib.Path(d).glob(f"flood-{attempt.mark}")]
        for path in found:
            path.unlink()
        return f"outside is {found[0]}" if found else None

    attempt.proofs.append(proof)
    attempt.stack.callback(proof)


def launcher(attempt):
    """A shunt that may be lost, and the only one that the attack touches."""
    directory = attempt.top / "launcher"
    directory.mkdir()
    attempt.shunt = attempt.bench.copy_shunt(directory)
    seen = os.stat(attempt.shunt)
    attempt.values["launcher"] = f"{seen.st_dev}:{seen.st_ino}"
    if attempt.uid != os.getuid():
        for path in directory.rglob("*"):
            os.chown(path, attempt.uid, attempt.uid, follow_symlinks=False)
    before = hashlib.sha256(attempt.shunt.read_bytes()).digest()
    attempt.proofs.append(
        lambda: None if hashlib.sha256(attempt.shunt.read_bytes()).digest() == before else "shunt was overwritten"
    )


def descriptors(attempt):
    """Descriptors above 2, as a careless parent leaves them open."""
    for target in (attempt.top, "/", "/dev/null"):
        fd = os.open(target, os.O_RDONLY)
        high = fcntl.fcntl(fd, fcntl.F_DUPFD, 17 + len(attempt.fds))
        os.close(fd)
        attempt.fds.append(high)
        attempt.stack.callback(os.close, high)


def disk(attempt):
    device = os.stat("/").st_dev
    major, minor = os.major(device), os.minor(device)
    link = pathlib.Path(f"/sys/dev/block/{major}:{minor}")
    attempt.values.update(major=major, minor=minor, disk=f"/dev/{os.path.basename(os.path.realpath(link))}")
    if not link.exists():
        raise Absent("the root file system is on no block device")


class Absent(Exception):
    """What an attempt needs is not here; the text says what."""


def groups(attempt):
    """Empty cgroups of somebody else's."""
    found = [place.parent / f"other-{attempt.mark}" for place in attempt.places]
    if not found:
        raise Absent("the runner may make no cgroup: " + attempt.bench.guard.why)
    for directory in found:
        directory.mkdir()
        attempt.stack.callback(directory.rmdir)
    attempt.values["groups"] = ":".join(map(str, found))
    attempt.proofs.append(
        lambda: next((f"{d} was joined" for d in found if (d / "cgroup.procs").read_text()), None)
    )


# ---- privileges and terminal -----------------------------------------------------------------


def copy_with_rights(attempt):
    if os.getuid():
        raise Absent("only root can make such a program")
    path = attempt.top / "rights"
    shutil.copy(attempt.attack, path)
    path.chmod(0o755)
    return path


def suid(attempt):
    path = copy_with_rights(attempt)
    path.chmod(0o4755)
    attempt.values["suid"] = path


def filecaps(attempt):
    """cap_net_admin,cap_sys_admin+ep, as setcap(8) writes it."""
    path = copy_with_rights(attempt)
    caps = 1 << 21 | 1 << 12
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, caps, 0, 0, 0))
    attempt.values["filecaps"] = path


def rlimits(attempt):
    """Limits of the caller's, which are finite."""
    attempt.fd_limit = 4096


def terminal(attempt):
    """A terminal that is the caller's own; what it is made to say can be counted."""
    master, slave = os.openpty()
    for fd in (master, slave):
        attempt.stack.callback(os.close, fd)
        os.set_inheritable(fd, False)
    os.fchown(slave, attempt.uid, -1)
    settings = termios.tcgetattr(slave)
    settings[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    attempt.stdin, attempt.terminal = slave, True

    def proof():
        waiting = struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0\0\0\0"))[0]
        return f"{waiting} characters were typed into the terminal" if waiting else None

    attempt.proofs.append(proof)


def hostname(attempt):
    """The name around shunt is one of the attempt's own, and looked at from there when shunt has ended."""
    file = attempt.top / "hostname"
    attempt.last_words = ["/bin/sh", "-c", f'"$@"; s=$?; uname -n > "{file}"; exit $s', "sh"]
    before = socket.gethostname()
    attempt.own(attempt.top)

    def proof():
        now = file.read_text().strip() if file.exists() else "(nobody looked)"
        return None if now == before else f"outside, the host is called {now}"

    attempt.proofs.append(proof)


# ---- network and ipc -------------------------------------------------------------------------


def listen(attempt, family, address):
    """Listens until the end; a connection is a proof of its own."""
    server = socket.socket(family, socket.SOCK_STREAM)
    server.bind(address)
    server.listen(8)
    attempt.stack.callback(server.close)

    def proof():
        came, _, _ = select.select([server], [], [], 0)
        return f"somebody came to {address}" if came else None

    attempt.proofs.append(proof)
    return server


def abstract(attempt):
    attempt.values["abstract"] = f"escape-{attempt.mark}"
    listen(attempt, socket.AF_UNIX, f"\0escape-{attempt.mark}")


def socket_in(attempt, directory, key):
    path = str(directory / "socket")
    listen(attempt, socket.AF_UNIX, path)
    os.chmod(path, 0o666)
    attempt.values[key] = path


def tmpsocket(attempt):
    socket_in(attempt, temporary(attempt, "/tmp"), "tmpsocket")


def visible(attempt):
    """Beside the working directory, where it can be seen under every policy."""
    socket_in(attempt, attempt.directory(attempt.top / "visible"), "visible")
    attempt.proofs.clear()  # that somebody comes is not promised against


def runsocket(attempt):
    if not os.access("/run", os.W_OK):
        raise Absent("/run cannot be written")
    socket_in(attempt, temporary(attempt, "/run"), "runsocket")


def host_address():
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return None


def listener(attempt):
    server = listen(attempt, socket.AF_INET, ("0.0.0.0", 0))
    address = host_address()
    attempt.values.update(port=server.getsockname()[1], hostaddress=address)
    if not address and any("{hostaddress}" in word for word in attempt.row.attack):
        raise Absent("this machine has no address but the loopback's")


def shm(attempt):
    """A System V segment that anybody may write."""
    key = 0x5E000000 | (int.from_bytes(os.urandom(3), "big"))
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(key, 4096, 0o1666)
    at = libc.shmat(number, None, 0)
    if number < 0 or at in (None, ctypes.c_void_p(-1).value):
        raise Absent("no System V memory: " + os.strerror(ctypes.get_errno()))
    attempt.stack.callback(libc.shmctl, number, 0, None)
    attempt.stack.callback(libc.shmdt, ctypes.c_void_p(at))
    attempt.values["shmkey"] = key
    attempt.proofs.append(lambda: "the memory was written" if ctypes.string_at(at, 8).strip(b"\0") else None)


def queue(attempt):
    name = f"/escape-{attempt.mark}".encode()
    try:
        realtime = ctypes.CDLL("librt.so.1", use_errno=True)
        number = realtime.mq_open(name, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o666, None)
    except (OSError, AttributeError):
        number = -1
    if number < 0:
        raise Absent("no POSIX message queues: " + os.strerror(ctypes.get_errno()))
    realtime.mq_unlink.argtypes = [ctypes.c_char_p]
    if attempt.uid != os.getuid():
        os.fchown(number, attempt.uid, -1)
    attempt.stack.callback(os.close, number)
    attempt.stack.callback(realtime.mq_unlink, name)
    attempt.values["queue"] = name.decode()
    buffer = ctypes.create_string_buffer(65536)
    attempt.proofs.append(
        lambda: "a message came" if realtime.mq_receive(number, buffer, 65536, None) >= 0 else None
    )


# ---- limits ----------------------------------------------------------------------------------


def small(attempt):
    attempt.tasks, attempt.memory = 32, "64M"


def brief(attempt):
    attempt.timeout = "500ms"


def unread(attempt):
    attempt.timeout, attempt.unread = "500ms", True


SETUPS = {
    f.__name__: f
    for f in (
        victim, sibling, hostuid, outside, named, planted, plantedabove, hosttmp, hostshm, flood, launcher, descriptors, disk, groups,
        suid, filecaps, rlimits, terminal, hostname, abstract, tmpsocket, visible, runsocket, listener, shm, queue, small, brief,
        unread,
    )
}  # fmt: skip
