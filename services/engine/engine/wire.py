"""The JSON documents of the engine's HTTP operations, as published in `api/openapi.yaml`."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import races
from engine.model import Count, Event, Fleet, Order, Record, System, SystemId

MAX_ORDERS: int = 256

RaceName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=races.MAX_LENGTH,
        description=(
            "A race's name: printable, not beginning or ending with a space. Case and width do not count (NFKC, case folding)."
        ),
    ),
]
Phase = Annotated[
    Literal["running", "finished"], Meta(description="A game is finished when at most one race is left.")
]
Turn = Annotated[int, Meta(ge=0, description="How many turns have been played.")]


class InitRequest(Record, frozen=True):
    """The races that play."""

    races: Annotated[tuple[RaceName, ...], Meta(min_length=races.LEAST, max_length=races.MOST)]


class TurnQuery(Struct, forbid_unknown_fields=True, frozen=True):
    """What the caller believes: makes a repeated call safe."""

    expected_turn: (
        Annotated[
            int, Meta(ge=0, description="The turn that the game is in; another one is 409 `stale_turn`.")
        ]
        | UnsetType
    ) = UNSET


class OrdersRequest(Record, frozen=True):
    """All orders of a race for one turn, in place of those that it gave before."""

    turn: Annotated[
        int, Meta(ge=0, description="The turn that they are made for: the `turn` of the last report.")
    ]
    orders: Annotated[tuple[Order, ...], Meta(max_length=MAX_ORDERS)]


class OrdersAccepted(Record, frozen=True):
    """What will be carried out in the next turn."""

    race: str
    turn: Turn
    orders: tuple[Order, ...]


class Standing(Record, frozen=True):
    """How a race stands."""

    race: str
    systems: Count
    population: Count
    ships: Count
    orders_given: Annotated[bool, Meta(description="Whether it has given its orders for the next turn.")]


class GameStatus(Record, frozen=True):
    """A game as its master sees it."""

    status: Phase
    turn: Turn
    winner: str | None
    races: tuple[Standing, ...]


class StatusResponse(Record, frozen=True):
    """The game, None before it is initialised."""

    initialized: bool
    game: GameStatus | None


class Sighting(Record, frozen=True):
    """What every race knows of a system that is not its own."""

    id: SystemId
    x: Count
    y: Count
    owner: str | None


class Report(Record, frozen=True):
    """What a race sees after a turn. Systems, fleets and production are its own; the rest it sees from afar."""

    race: str
    status: Phase
    turn: Turn
    winner: str | None
    production: Count
    systems: tuple[System, ...]
    fleets: tuple[Fleet, ...]
    others: tuple[Sighting, ...]
    orders: tuple[Order, ...]
    events: tuple[Event, ...]
