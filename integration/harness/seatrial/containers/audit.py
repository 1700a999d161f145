"""The leak audit of the container engine. It asks an engine only in a process in whose name anything may have been made.

Nothing here imports docker's SDK, nor anything else that costs time.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from seatrial.containers import ownership
from seatrial.containers.ownership import SCOPE_LABEL
from seatrial.leaks import Leak

if TYPE_CHECKING:
    from seatrial.containers.sweep import Thing
    from seatrial.containers.wire import Wire

_REMEDY = "remove it in the test, or let environment.container, network, volume or engine.adopt do so"
_REMEDY_AT_THE_END = "close what made it before the run ends, in its fixture for example"


def _wire() -> "Wire":
    from seatrial.containers.wire import Wire, find

    return Wire(find())


class EngineAuditor:
    """Containers, networks and volumes made in the name of this process, but for those that may outlive a test."""

    def _things(self) -> "dict[str, Thing]":
        if not ownership.in_use():
            return {}
        from seatrial.containers.sweep import of

        found = of(ownership.owner(), _wire(), tags=False)
        return {each.id: each for each in found if each.labels.get(SCOPE_LABEL) != "run"}

    def snapshot(self) -> set[str]:
        """The ids of those that are there."""
        return set(self._things())

    def leaks(self, before: set[str]) -> list[Leak]:
        """Each one that is new."""
        return [
            Leak(thing.kind, thing.name, _REMEDY)
            for key, thing in self._things().items()
            if key not in before
        ]

    def clean(self, before: set[str]) -> None:
        """Remove them."""
        from seatrial.containers.sweep import remove

        remove(_wire(), [thing for key, thing in self._things().items() if key not in before])


def last_look() -> list[str]:
    """At the end of a process that ran tests: removes whatever is left in its name, and says what that was."""
    if not ownership.in_use():
        return []
    from seatrial.containers.sweep import of
    from seatrial.containers.wire import EngineError

    try:
        wire = _wire()
        return _removed(wire, of(ownership.owner(), wire))
    except EngineError as error:
        return [f"whether anything is left in the container engine is not known: {error}"]


def sweep_run() -> None:
    """At the end of a run with workers: removes what a worker that died has left."""
    from seatrial.containers.sweep import of_run, remove
    from seatrial.containers.wire import EngineUnreachable

    try:
        wire = _wire()
        remove(wire, of_run(ownership.run(), wire))
    except EngineUnreachable:
        return  # then there is nothing to be left in


def _removed(wire: "Wire", left: "Iterable[Thing]") -> list[str]:
    from seatrial.containers.sweep import remove

    found = list(left)
    remove(wire, found)
    return [
        str(Leak(thing.kind, f"{thing.name}, left at the end of the run", _REMEDY_AT_THE_END))
        for thing in found
    ]
