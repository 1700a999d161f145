import pytest

from lobby.states import ACTIONS, ENDED, STATES, TRANSITIONS, Action, IllegalTransition, State, after

LEGAL = """
draft open_enrollment enrollment_open
enrollment_open close_enrollment ready_to_start
ready_to_start start starting
start_failed start starting
starting start_succeeded running
starting start_failed start_failed
running pause paused
paused resume running
running finish finished
paused finish finished
draft cancel cancelled
enrollment_open cancel cancelled
ready_to_start cancel cancelled
starting cancel cancelled
start_failed cancel cancelled
"""


def test_the_legal_transitions_are_exactly_these() -> None:
    expected = {(line.split()[0], line.split()[1]): line.split()[2] for line in LEGAL.strip().splitlines()}
    assert expected == TRANSITIONS


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_other_one_is_illegal(state: State, action: Action) -> None:
    if (state, action) in TRANSITIONS:
        assert after(state, action) == TRANSITIONS[state, action]
        return
    with pytest.raises(IllegalTransition) as refused:
        after(state, action)
    assert str(refused.value).startswith(f"The game is {state}; ")
    assert " to be " in str(refused.value)


def test_nothing_leads_out_of_an_ended_game() -> None:
    assert not [state for state, _ in TRANSITIONS if state in ENDED]
