"""A game's whole state, as it is kept on disk and as the rules work on it."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

SystemId = Annotated[str, Meta(pattern=r"^s[0-9]{3}(?!\n)$", description="A star system's id, such as s001.")]
Ships = Annotated[int, Meta(ge=1, le=1_000_000, description="How many ships.")]
Count = Annotated[int, Meta(ge=0)]
EventKind = Literal["built", "departed", "arrived", "conquered", "repelled", "eliminated"]


class Record(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A document: strict, and never changed in place."""


class Build(Record, frozen=True, tag="build", tag_field="kind"):
    """Build ships in a system of one's own; each costs 5 of the race's production. They can leave from the next turn on."""

    system: SystemId
    ships: Ships


class Move(Record, frozen=True, tag="move", tag_field="kind"):
    """Send ships to another system of one's own."""

    origin: SystemId
    destination: SystemId
    ships: Ships


class Attack(Record, frozen=True, tag="attack", tag_field="kind"):
    """Send ships to a system that is not one's own."""

    origin: SystemId
    destination: SystemId
    ships: Ships


Order = Build | Move | Attack


class Race(Record, frozen=True):
    """A race, by its name as it was given, and the production that it has not spent."""

    name: str
    production: Count


class System(Record, frozen=True):
    """A star system; without an owner its ships are defenders that never leave."""

    id: SystemId
    x: Count
    y: Count
    owner: str | None
    population: Count
    capacity: Count
    ships: Count


class Fleet(Record, frozen=True):
    """Ships on their way; `arrives` is the number of the turn."""

    owner: str
    origin: SystemId
    destination: SystemId
    ships: Ships
    arrives: Count


class Event(Record, frozen=True):
    """Something that happened in a turn; `races` are those who see it, the one that it is about first.

    `ships` are those that were built, departed or arrived, or that hold the system after a battle.
    """

    kind: EventKind
    races: tuple[str, ...]
    system: SystemId | None
    ships: Count


class Game(Record, frozen=True):
    """A game after `turn` turns. `events` are the last turn's; `orders` are for the next one, by race."""

    seed: Count
    turn: Count
    races: tuple[Race, ...]
    systems: tuple[System, ...]
    fleets: tuple[Fleet, ...] = ()
    orders: dict[str, tuple[Order, ...]] = {}
    events: tuple[Event, ...] = ()
    finished: bool = False
    winner: str | None = None
