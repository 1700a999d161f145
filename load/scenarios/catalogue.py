"""The scenarios by name, as far as they can be known without Locust."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of player."""

    name: str
    summary: str
    devices: int
    """Signed-in devices that each player needs before the ramp."""
    reads_mail: bool = False
    """Whether it signs in while it is measured, for which somebody must read the codes."""


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("commands", "players list, look at, open and apply for games, one command each time", 1),
        Scenario(
            "events", "owners hold an event stream; an action is an application until its push is there", 2
        ),
        Scenario(
            "sign_in", "people sign in: ask for a code, read their mail, confirm it", 0, reads_mail=True
        ),
    )
}
