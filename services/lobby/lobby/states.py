"""A game's states, and which action leads from where to where."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

State = Literal[
    "draft",
    "enrollment_open",
    "ready_to_start",
    "starting",
    "start_failed",
    "running",
    "paused",
    "finished",
    "cancelled",
]
Action = Literal[
    "open_enrollment",
    "close_enrollment",
    "start",
    "start_succeeded",
    "start_failed",
    "pause",
    "resume",
    "finish",
    "cancel",
]

STATES: Final[tuple[State, ...]] = get_args(State)
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

BEFORE_RUNNING: Final[tuple[State, ...]] = (
    "draft",
    "enrollment_open",
    "ready_to_start",
    "starting",
    "start_failed",
)
"""Where a game can be cancelled."""

ENDED: Final[tuple[State, ...]] = ("finished", "cancelled")
"""Where nothing leads out of."""

TRANSITIONS: Final[Mapping[tuple[State, Action], State]] = {
    ("draft", "open_enrollment"): "enrollment_open",
    ("enrollment_open", "close_enrollment"): "ready_to_start",
    ("ready_to_start", "start"): "starting",
    ("start_failed", "start"): "starting",
    ("starting", "start_succeeded"): "running",
    ("starting", "start_failed"): "start_failed",
    ("running", "pause"): "paused",
    ("paused", "resume"): "running",
    ("running", "finish"): "finished",
    ("paused", "finish"): "finished",
    **{(state, "cancel"): "cancelled" for state in BEFORE_RUNNING},
}
"""Every legal transition; there is no other."""


class IllegalTransition(Exception):
    """The action does not lead out of this state."""

    def __init__(self, state: State, action: Action) -> None:
        legal = ", ".join(name for name in STATES if (name, action) in TRANSITIONS)
        super().__init__(f"The game is {state}; {action.replace('_', ' ')} needs it to be {legal}.")
        self.state = state
        self.action = action


def after(state: State, action: Action) -> State:
    """Give the state that `action` leads to. Raises IllegalTransition."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise IllegalTransition(state, action) from None
