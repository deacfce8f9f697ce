# SPDX-License-Identifier: MIT
"""How reports travel: small ones of tests that passed with the outcome and in batches, all others by themselves. Whoever
looks at them must not see which way they came."""
import pytest

# Notes everything that a plugin sees of reports, in the order in which it sees it.
WATCHER = """
    import os

    def pytest_configure(config):
        config.pluginmanager.register(Watcher(), "watcher")

    class Watcher:
        def __init__(self):
            self.pid = os.getpid()  # workers are forks of it, and see their own reports as well
        def pytest_runtest_logstart(self, nodeid, location):
            self.note("start", nodeid, location)
        def pytest_runtest_logreport(self, report):
            self.note(report.when, report.nodeid, report.location, report.outcome, sorted(report.keywords), report.sections)
        def pytest_runtest_logfinish(self, nodeid, location):
            self.note("finish", nodeid, location)
        def note(self, *what):
            if os.getpid() == self.pid:
                with open("seen", "a") as f:
                    f.write(repr(what) + "\\n")
"""
SUITE = """
    import os, pytest

    @pytest.mark.parametrize("i", range(30))
    def test_quick(i): pass
    @pytest.mark.parametrize("i", range(3))
    def test_says(i):
        print("said", i)
        os.write(1, b"and by the descriptor\\\\n")
    def test_large(): print("x" * 9000)
    def test_fails(): assert 0
    class TestA:
        @pytest.mark.parametrize("i", [1, 2])
        def test_in_class(self, i): pass
    class TestB(TestA):
        @pytest.mark.xfail
        @pytest.mark.parametrize("j", [1, 2])
        def test_other(self, j): assert j == 1
    def test_marks(request): request.node.add_marker("late")
    def test_cuts_its_capture():
        print("lost")
        with open("/dev/stdout", "w") as f: f.write("first")
    def test_after_that(): os.write(1, b"second")
"""


def seen(suite):
    path = suite.path / "seen"
    text = path.read_text()
    path.unlink()
    return text.splitlines()


def test_plugins_see_the_same_reports_in_the_same_order(suite):
    suite.write(conftest=WATCHER, test_a=SUITE, test_b=SUITE)
    suite.plain()
    plain = seen(suite)
    assert len(plain) > 400
    suite.run("-n", 1)
    assert seen(suite) == plain
    suite.run("-n", 2)
    assert sorted(seen(suite)) == sorted(plain)


@pytest.mark.parametrize("fork", ["auto", "off"])
def test_conftests_below_apply_to_their_own_files_alone(suite, fork):
    hook = """
        def pytest_runtest_setup(item): print("setup by %s")
    """
    suite.write(**{"conftest": hook % "top", "test_top": "def test_a(): pass\ndef test_b(): pass"})
    for name in ("one", "two"):
        (suite.path / name).mkdir()
        (suite.path / name / "conftest.py").write_text(f"def pytest_runtest_setup(item): print('setup by {name}')\n")
        (suite.path / name / f"test_{name}.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    result = suite.run("-n", 1, f"--fork-server={fork}", pytest_args=("--tb=line", "-rA"))
    assert result.stdout.count("setup by top") == 6, result
    assert result.stdout.count("setup by one") == 2, result
    assert result.stdout.count("setup by two") == 2, result


@pytest.mark.parametrize(
    "message",
    [
        '{"t":"done","i":0,"outcome":"failed","reports":true}\\n[]',  # only good news travels so
        '{"t":"done","i":0,"outcome":"passed","reports":true}',
        '{"t":"done","i":0,"outcome":"passed","reports":1}\\n[]',
    ],
)
def test_reports_with_an_outcome_are_checked(suite, message):
    suite.write(
        test_a=f"""
        from shunt_pytest.channel import Channel

        def test_it():
            send = Channel.send_packet
            Channel.send_packet = lambda self, data: send(self, b'{message}')
        """
    )
    result = suite.run("-n", 1, "--reroute", "none")
    assert result.verdicts() == [("test_it", "protocol")], result
    assert "malformed" in result.incidents[0]["text"]


def test_a_payload_that_is_none_spoils_no_other_of_its_batch(suite):
    suite.write(
        test_a="""
        import pytest
        from shunt_pytest.channel import Channel

        @pytest.mark.parametrize("i", range(20))
        def test_it(i):
            if i == 10:
                send = Channel.send_packet
                def forged(self, data):
                    Channel.send_packet = send
                    send(self, data.partition(b"\\n")[0] + b"\\n[\\xff no JSON")
                Channel.send_packet = forged
        """
    )
    result = suite.run("-n", 1)
    assert "19 passed" in result.stdout and "1 failed" in result.stdout, result
