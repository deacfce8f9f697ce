# SPDX-License-Identifier: MIT
"""`shunt run` under each policy: unsafe tests become safe, and files are where the policy says."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import conftest
from conftest import ROOT, SHUNT, Suite, clean_environment, needs_cgroups

ISOLATION = ROOT / "tests" / "suites" / "isolation"


@pytest.fixture
def place():
    """A suite where every user may go: hardened runs it as another one, to whom pytest's own directories are closed."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="policy-test-", dir="/var/tmp"))
    path.chmod(0o755)
    yield Suite(path)
    shutil.rmtree(path)


@pytest.fixture
def unsafe(place):
    """The suite of tests/suites/isolation, with a port that is free now."""
    shutil.copytree(ISOLATION, place.path, dirs_exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    file = place.path / "unsafe.py"
    file.write_text(file.read_text().replace("8080", str(port)))
    return place


PORT, FILES = "test_port", "test_files"


def failed(result):
    """Names of the tests, whichever of the two files they are in."""
    return {test.split("::")[-1] for test, outcome in result.outcomes.items() if outcome != "passed"}


def test_the_suite_is_unsafe_under_xdist(unsafe):
    pytest.importorskip("xdist", reason="needs pytest-xdist")
    status, stdout, _ = unsafe.plain("-n", "2", "-q")
    assert status == 1, stdout
    assert "Address already in use" in stdout
    assert "::test_files - AssertionError" in stdout and "::test_port - OSError" in stdout


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="the-projects-own"),
        pytest.param(("--policy", "hardened", "--write", "."), id="hardened", marks=needs_cgroups),
    ],
)
def test_isolation_makes_it_safe(unsafe, options):
    result = unsafe.run("-n", 2, *options)
    assert result.status == 0, result
    assert len(result.outcomes) == 4 and set(result.outcomes.values()) == {"passed"}
    assert result.incidents == []


@pytest.mark.parametrize("policy", ["standard", "container"])
def test_the_hosts_network_is_shared_and_files_are_not(unsafe, policy):
    result = unsafe.run("-n", 2, "--policy", policy)
    assert result.status == 1 and failed(result) == {PORT}, result
    assert "Address already in use" in result.stdout


def test_observe_isolates_nothing(unsafe):
    result = unsafe.run("-n", 2, "--policy", "observe")
    assert result.status == 1 and failed(result) == {PORT, FILES}, result


# --- an ordinary suite under each ------------------------------------------------------------------

ORDINARY = """
    import multiprocessing, os, pathlib, socket, subprocess, sys, tempfile, threading
    import pytest

    def test_passes(): pass

    def test_fails(): assert 0

    @pytest.mark.skip
    def test_skipped(): pass

    @pytest.mark.xfail(strict=True)
    def test_expected(): assert 0

    def test_files(tmp_path):
        (tmp_path / "f").write_text("x")
        with tempfile.TemporaryDirectory() as path:
            pathlib.Path(path, "g").write_text("y")

    def test_processes():
        assert subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True, check=True).stdout == b"7\\n"
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]

    def test_threads():
        seen = []
        threads = [threading.Thread(target=seen.append, args=(i,)) for i in range(8)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert sorted(seen) == list(range(8))

    def test_loopback():
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 10).close()

    def test_writes_here(request):
        (request.config.rootpath / "here").write_text("x")
"""


@pytest.mark.parametrize(
    "options",
    [
        ("--policy", "observe"),
        ("--policy", "standard"),
        ("--policy", "container"),
        pytest.param(("--policy", "hardened", "--write", "."), marks=needs_cgroups),
    ],
    ids=lambda options: options[1],
)
def test_an_ordinary_suite(place, options):
    result = place.write(test_it=ORDINARY).run("-n", 2, *options)
    outcomes = {test.split("::")[-1][5:]: outcome for test, outcome in result.outcomes.items()}
    assert result.status == 1, result
    assert {name for name, outcome in outcomes.items() if outcome == "failed"} == {"fails"}, result
    assert [outcomes.pop(name) for name in ("fails", "skipped", "expected")] == ["failed", "skipped", "xfailed"]
    assert len(outcomes) == 6 and set(outcomes.values()) == {"passed"}
    assert (place.path / "here").stat().st_uid == os.geteuid()


# --- where files end up ----------------------------------------------------------------------------


def test_files_of_a_failed_test_outlive_the_run(place):
    place.write(
        test_it="""
            def test_it(tmp_path):
                (tmp_path / "evidence").write_text("seen")
                print("PATH", tmp_path)
                assert 0
        """
    )
    result = place.run("-n", 1, "--policy", "standard")
    assert result.status == 1
    path = pathlib.Path(result.stdout.partition("PATH ")[2].split()[0])
    assert (path / "evidence").read_text() == "seen"
    assert path.stat().st_uid == os.geteuid()


@pytest.mark.parametrize(
    "policy, base",
    [("standard", "/tmp"), ("standard", "/dev/shm"), ("container", "/tmp"), ("container", "/dev/shm"), ("hardened", "/var/tmp")],
)
def test_other_temporary_files_do_not(place, policy, base):
    name = f"{base}/shunt-policy-test-{os.getpid()}"
    place.write(
        test_it=f"""
            def test_it():
                with open({name!r}, "w") as f: f.write("x")
                assert open({name!r}).read() == "x"
        """
    )
    result = place.run("-n", 1, "--policy", policy)
    assert result.status == 0, result
    assert not os.path.exists(name)


def test_what_is_in_tmp_already_stays_visible_and_unchanged(place, tmp_path_factory):
    file = pathlib.Path(tempfile.mkdtemp(dir="/tmp")) / "given"
    file.write_text("old")
    try:
        place.write(
            test_it=f"""
                def test_it():
                    assert open({str(file)!r}).read() == "old"
                    with open({str(file)!r}, "w") as f: f.write("new")
            """
        )
        assert place.run("-n", 1, "--policy", "standard").status == 0
        assert file.read_text() == "old"
    finally:
        shutil.rmtree(file.parent)


def test_a_run_may_be_started_in_tmp_itself(place):
    """No worker could enter its cell: the overlay's root is another directory than the one it covers."""
    place.write(test_it="import os\ndef test_it(): assert os.getcwd() == '/tmp'")
    argv, _ = place.command("-n", 1)
    done = subprocess.run(
        [*argv, "--rootdir", str(place.path), str(place.path / "test_it.py")],
        cwd="/tmp", env=clean_environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done


@needs_cgroups
def test_a_killed_hardened_run_is_swept(place):
    """With what belongs to the worker's user, whoever that was (test_scratch.c has the directory that was given away)."""
    place.write(test_it="import time\ndef test_it(): open('up', 'w').close(); time.sleep(60)")
    process = place.start("-n", 1, "--policy", "hardened", "--write", ".")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (place.path / "up").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert (place.path / "up").exists()
    place.write(test_it="def test_it(): pass")
    assert place.run("-n", 1).status == 0
    assert not [p for base in ("/tmp", "/var/tmp") for p in pathlib.Path(base).glob(f"shunt-{process.pid}-*")]


# --- policies of the project, and options ----------------------------------------------------------

LOOKS = """
    import os, socket
    def test_it():
        print("NETS", [name for _, name in socket.if_nameindex()])
        print("VALUE", os.environ.get("OF_THE_POLICY"))
        assert 0
"""


def test_the_projects_policy_is_the_default(place):
    place.write(test_it=LOOKS)
    (place.path / "shunt.yaml").write_text(
        "policy: ours\n"
        "policies:\n"
        "  - policy: ours\n"
        "    extends: standard\n"
        "    network: loopback\n"
        "    environment: {set: [OF_THE_POLICY=yes]}\n"
    )
    result = place.run("-n", 1)
    assert "NETS ['lo']" in result.stdout and "VALUE yes" in result.stdout, result
    result = place.run("-n", 1, "--policy", "standard")
    assert "VALUE None" in result.stdout, result


def test_a_wrong_policy_of_the_project_stops_before_anything(place):
    place.write(test_it="def test_it(): pass")
    (place.path / "shunt.yaml").write_text("policies:\n  - policy: ours\n    netwrok: loopback\n")
    result = place.run("--policy", "ours")
    assert result.status == 4 and result.of("test-end") == []
    assert "shunt.yaml:3" in result.stderr and "netwrok" in result.stderr, result


WRITES = """
    def test_it():
        with open("written", "w") as f: f.write("x")
        with open("sub/written", "w") as f: f.write("x")
"""


@needs_cgroups
def test_hardened_writes_only_where_it_may(place):
    (place.path / "sub").mkdir()
    place.write(test_it=WRITES)
    result = place.run("-n", 1, "--policy", "hardened")
    assert result.status == 1 and "Read-only file system" in result.stdout, result
    assert not (place.path / "written").exists()
    result = place.run("-n", 1, "--policy", "hardened", "--write", "sub")
    assert result.status == 1 and not (place.path / "written").exists()
    result = place.run("-n", 1, "--policy", "hardened", "--write", ".")
    assert result.status == 0, result
    assert (place.path / "written").stat().st_uid == (place.path / "sub" / "written").stat().st_uid == os.geteuid()


@needs_cgroups
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives another user id")
@pytest.mark.parametrize("options", [(), ("--write", ".")])
def test_a_directory_that_the_policys_user_cannot_enter_is_named_before_anything_runs(options):
    """It was a page of traceback, and "no pytest came to shunt"."""
    path = pathlib.Path(tempfile.mkdtemp(dir="/srv"))
    try:
        (path / "here").mkdir()
        result = Suite(path / "here").write(test_a="def test_a(): pass").run("-n", 1, "--policy", "hardened", *options)
        assert (result.status, result.stdout) == (4, ""), result
        assert f"the working directory {path}/here cannot be reached by uid " in result.stderr, result
        assert f"of {path} the mode is 0700" in result.stderr and f"chmod o+x {path}" in result.stderr, result
        (path / "bin").mkdir()
        (path / "bin" / "mypytest").symlink_to(shutil.which("true"))
        argv = [str(SHUNT), "run", "--policy", "hardened", "--", "mypytest"]
        env = clean_environment(PATH=f"{path}/bin:{os.environ['PATH']}")
        done = subprocess.run(argv, cwd="/srv", env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 4 and f"the command's directory {path}/bin cannot be reached" in done.stderr, done
        path.chmod(0o711)
        result = Suite(path / "here").run("-n", 1, "--policy", "hardened", *options)
        assert result.status == 0, result
    finally:
        shutil.rmtree(path)


@needs_cgroups
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives another user id")
def test_what_a_tmp_of_its_own_covers_is_in_nobodys_way():
    path = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        (path / "here").mkdir()
        result = Suite(path / "here").write(test_a="def test_a(): pass").run("-n", 1, "--policy", "hardened")
        assert result.status == 0, result
    finally:
        shutil.rmtree(path)


def test_read_only_and_hidden_paths(place):
    for name in ("fixed", "secret"):
        (place.path / name).mkdir()
        (place.path / name / "f").write_text("x")
    place.write(
        test_it="""
            import os, pytest
            def test_it():
                assert os.listdir("fixed") == ["f"] and os.listdir("secret") == []
                with pytest.raises(OSError):
                    open("fixed/g", "w")
        """
    )
    result = place.run("-n", 1, "--read-only", "fixed", "--hide", "secret")
    assert result.status == 0, result


def test_what_is_required_and_missing_is_named(place):
    place.write(test_it="def test_it(): pass")
    result = place.run("--policy", "standard", "--require", "net")
    assert result.status == 4 and result.of("test-end") == []
    assert "net is required (--require)" in result.stderr, result


@needs_cgroups
def test_shunts_own_files_below_tmp_cannot_be_changed(place, monkeypatch):
    """Started from a place below /tmp, which hardened replaces: what is shown of shunt there is for reading."""
    installed = pathlib.Path(tempfile.mkdtemp(prefix="shunt-installed-", dir="/tmp"))
    installed.chmod(0o755)
    try:
        shutil.copytree(SHUNT.parent / "share", installed / "share")
        for name in ("shunt", "libshunt-enter.so"):
            shutil.copy2(SHUNT.parent / name, installed / name)
        monkeypatch.setattr(conftest, "SHUNT", installed / "shunt")
        place.write(
            test_own=f"""
            import pathlib, pytest

            OWN = pathlib.Path({str(installed)!r})

            @pytest.mark.parametrize("name", ["shunt", "libshunt-enter.so", "share/shunt/python/shunt_plugin.py"])
            def test_it(name):
                with pytest.raises(OSError):
                    (OWN / name).open("ab")
            """
        )
        done = place.run("--policy", "hardened", "-n", "1")
        assert list(done.outcomes.values()) == ["passed"] * 3, done
    finally:
        shutil.rmtree(installed)


def test_a_file_that_may_not_be_written_is_explained(place):
    """Once for a line, however many tests it fails."""
    place.write(
        test_it="""
            import pytest
            @pytest.fixture
            def there(): open("/etc/shunt-test", "w")
            def test_one(there): pass
            def test_two(there): pass
        """
    )
    result = place.run("-n", 1, "--policy", "hardened")
    assert result.status == 1
    assert result.stderr.count("test_it.py:4") == 1, result.stderr
    assert "under policy hardened only what is named can be written to" in result.stderr and "--write" in result.stderr
    assert not os.path.exists("/etc/shunt-test")


@pytest.mark.skipif(not ROOT, reason="needs root, whose capabilities the user namespace of a worker is about")
def test_workers_without_a_user_namespace(place):
    """It was ignored: a test that binds a port below 1024 as root failed, and nothing said why."""
    place.write(
        test_it="""
            import os, socket
            def test_namespace(): assert os.readlink("/proc/self/ns/user") == os.environ["OUTSIDE"]
            def test_low_port(): socket.socket().bind(("127.0.0.1", 81))
        """
    )
    os.environ["OUTSIDE"] = os.readlink("/proc/self/ns/user")
    try:
        result = place.run("-n", 2, "--userns=never")
        own = place.run("-n", 2)
    finally:
        del os.environ["OUTSIDE"]
    assert result.status == 0, result
    assert own.status == 1 and "each worker its own, with a user namespace" in own.stderr, own
    assert "userns is never" in result.stderr, result


@needs_cgroups
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives another user id")
def test_what_a_socket_may_not_do_is_no_matter_of_writing(place):
    """bind() to a low port fails with EACCES as well, and --write would not help."""
    place.write(
        test_it="""
            import socket
            def test_low():
                with socket.socket() as s:
                    s.bind(("127.0.0.1", 81))
        """
    )
    result = place.run("-n", 1, "--policy", "hardened")
    assert result.status == 1 and "Permission denied" in result.stdout, result
    assert "can be written to" not in result.stderr, result
