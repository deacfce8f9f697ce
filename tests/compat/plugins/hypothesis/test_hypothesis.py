# SPDX-License-Identifier: MIT
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule


@given(st.lists(st.integers()))
def test_sorted(xs):
    assert sorted(sorted(xs)) == sorted(xs)


@given(st.integers())
def test_finds_it(n):
    assert n < 1000


@pytest.mark.parametrize("n", range(5))
@settings(max_examples=20, derandomize=True)
@given(st.text())
def test_text(n, text):
    event(f"length {min(len(text), 2)}")
    assert text == text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers())
def test_fixture(tmp_path, n):
    (tmp_path / "n").write_text(str(n))


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.n = 0

    @rule(n=st.integers(0, 5))
    def add(self, n):
        self.n += n
        assert self.n >= 0


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=10, stateful_step_count=5)
