# SPDX-License-Identifier: MIT
"""`shunt policy`: what a person sees who writes a policy, and makes mistakes."""
import json
import os
import re
import subprocess

import pytest
from conftest import ROOT, SHUNT, clean_environment


def policy(*argv, cwd=None):
    return subprocess.run(
        [str(SHUNT), "policy", *argv], cwd=cwd, env=clean_environment(), capture_output=True, text=True, timeout=60
    )


def good(*argv, cwd=None):
    done = policy(*argv, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_list_names_all_and_the_default(tmp_path):
    out = good("list", cwd=tmp_path)
    for name in ("observe", "standard", "hardened", "container", "github-hosted", "docker"):
        assert f"\n  {name} " in out
    assert out.endswith("Without --policy: standard\n")


def test_list_of_a_project(tmp_path):
    (tmp_path / "shunt.yaml").write_text(
        "policy: ours\npolicies:\n- {policy: ours, summary: our own, extends: hardened}\n"
    )
    out = good("list", cwd=tmp_path)
    assert "  ours       our own\n" in out
    assert "Without --policy: ours (shunt.yaml is read)" in out


def test_a_broken_project_file_hides_nothing(tmp_path):
    (tmp_path / "shunt.yaml").write_text("policies: nonsense\n")
    out = good("list", cwd=tmp_path)
    assert "cannot be read: shunt.yaml:1: policies: found a single value: expected a list" in out
    assert "\n  hardened " in out


@pytest.mark.parametrize("name", ["observe", "standard", "hardened", "container"])
def test_what_is_shown_can_be_read_back(tmp_path, name):
    shown = good("show", name)
    (tmp_path / "again.yaml").write_text(shown)
    again = good("show", "./again.yaml", cwd=tmp_path)
    # Behind each path is said where it comes from, which is another file now.
    assert re.sub(r"  # .*:\d+$", "", again, flags=re.M) == re.sub(r"  # .*:\d+$", "", shown, flags=re.M)


def test_show_with_a_machine():
    out = good("show", "--machine=github-hosted", "standard")
    assert "  cpus: 4.000\n" in out
    assert "  memory: 16G\n" in out
    assert 'machine: "github-hosted"\n' in out
    assert "source: " in good("show", "github-hosted")


def test_a_refusal_of_a_call_that_is_newer_than_shunt(tmp_path):
    """As in runc it refuses nothing and spoils nothing, but it is said; a slip of the pen is still an error."""
    def profile(name):
        rule = {"names": ["keyctl", name], "action": "SCMP_ACT_ERRNO"}
        (tmp_path / "deny.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
        return policy("check", "deny.json", cwd=tmp_path)

    for name in ("quantum_teleport", "clone9"):
        done = profile(name)
        assert done.returncode == 0 and done.stdout.endswith(f"refusing them does nothing: {name}\n"), done
    assert policy("explain", "deny.json", "keyctl", cwd=tmp_path).stdout.startswith("keyctl: EPERM")
    done = profile("unshar")
    assert done.returncode == 4 and 'did you mean "unshare"?' in done.stderr, done


def test_options_may_stand_behind_the_name():
    behind, before = policy("show", "standard", "--machine", "github-hosted"), policy("show", "--machine=github-hosted", "standard")
    assert behind.returncode == 0 and behind.stdout == before.stdout != policy("show", "standard").stdout


def test_mistakes_stand_where_they_were_made():
    """Through a pipe they came first, or at the end."""
    argv = [str(SHUNT), "policy", "explain", "standard", "nosuch-a", "read", "nosuch-b", "write"]
    done = subprocess.run(argv, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    places = [done.stdout.index(word) for word in ("nosuch-a", "read: ", "nosuch-b", "write: ")]
    assert done.returncode == 4 and places == sorted(places), done


def test_a_projects_policy_is_found_first(tmp_path):
    (tmp_path / "shunt.yaml").write_text(
        "policies:\n- policy: hardened\n  extends: hardened\n  files:\n    writable: [build]\n"
    )
    out = good("show", "hardened", cwd=tmp_path)
    assert '    - "build"  # shunt.yaml:5\n' in out
    assert "root: read-only" in out


def test_everything_shipped_is_right():
    files = [str(p) for p in sorted((ROOT / "policies").rglob("*")) if p.suffix in (".yaml", ".json")]
    out = good("check", *files).splitlines()
    assert len(out) == len(files)
    assert all(": ok, " in line for line in out)


def test_check_names_every_wrong_file(tmp_path):
    (tmp_path / "a.yaml").write_text("policy: a\nfiles:\n  writeable: [x]\n")
    (tmp_path / "b.yaml").write_text("policy: b\n")
    (tmp_path / "c.yaml").write_text("policy: c\n\nlimits: {memory: much}\n")
    done = policy("check", "a.yaml", "b.yaml", "c.yaml", cwd=tmp_path)
    assert done.returncode == 4
    assert done.stdout == "b.yaml: ok, policy b\n"
    assert 'shunt: a.yaml:3: files: "writeable" is no key' in done.stderr
    assert "did you mean writable?" in done.stderr
    assert 'shunt: c.yaml:3: limits.memory: "much": expected a size' in done.stderr


def test_check_looks_into_projects_machines_and_profiles(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_NOTHING"}))
    (tmp_path / "shunt.yaml").write_text(
        "policy: none-such\npolicies:\n- policy: p\n  extends: hardened\n  network: host\n"
    )
    (tmp_path / "m.yaml").write_text("machine: m\nsource: here\ntasks: 1\n")
    (tmp_path / "q.yaml").write_text("policy: q\nseccomp: ./p.json\n")
    for file, words in {
        "shunt.yaml": ['require: "net" is required', "require: [-net]"],
        "m.yaml": ["m.yaml:3: tasks"],
        "p.json": ["SCMP_ACT_NOTHING"],
        "q.yaml": ["SCMP_ACT_NOTHING"],
    }.items():
        done = policy("check", file, cwd=tmp_path)
        assert done.returncode == 4, file
        for word in words:
            assert word in done.stderr, done.stderr
    (tmp_path / "shunt.yaml").write_text("policy: none-such\n")
    done = policy("check", "shunt.yaml", cwd=tmp_path)
    assert 'shunt.yaml:1: policy: there is no policy "none-such"' in done.stderr


def test_explain():
    assert good("explain", "hardened", "io_uring_setup") == "io_uring_setup: EPERM (seccomp/tight.json)\n"
    assert "allowed" in good("explain", "standard", "read")
    assert good("explain", "observe", "bpf") == "bpf: allowed (policy observe has no filter)\n"
    profile = str(ROOT / "policies" / "seccomp" / "tight.json")
    assert len(good("explain", profile, "bpf", "openat").splitlines()) == 2
    clone = good("explain", "standard", "clone")
    assert re.search(r"with .*CLONE_NEWUSER.* in argument 0: EPERM \(seccomp/guard.json\)", clone)
    assert policy("explain", "standard", "no_such_call").returncode == 4


@pytest.mark.parametrize(
    "argv, words",
    [
        ([], ["list, show, check or explain"]),
        (["shwo"], ['"policy shwo"']),
        (["chek", "x"], ["shunt policy check"]),
        (["show"], ["show NAME"]),
        (["show", "a", "b"], ['one word too many: "b"']),
        (["list", "foo"], ['one word too many: "foo"', "shunt policy list\n"]),
        (["show", "hardend"], ["hardend", "did you mean hardened?"]),
        (["show", "--machine=github", "standard"], ["github", "did you mean github-hosted?"]),
        (["show", "--machin=x", "standard"], ["did you mean --machine?"]),
        (["show", "--nothing-like-it", "standard"], ["shunt policy --help"]),
        (["check", "/"], ["is a directory"]),
        (["check", "/no/such.yaml"], ["/no/such.yaml: No such file"]),
        (["explain", "hardened"], ["explain FILE SYSCALL"]),
    ],
)
def test_usage(argv, words):
    done = policy(*argv)
    assert done.returncode == 4, done
    for word in words:
        assert word in done.stderr, done.stderr


def test_help():
    assert good("--help") == good("show", "--help")
    assert "explain" in good("--help")
    assert "schema" not in good("--help")


def test_a_fifo_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "shunt.yaml")
    done = policy("show", "standard", cwd=tmp_path)
    assert done.returncode == 4
    assert "shunt.yaml: is no regular file" in done.stderr
