"""One turn: departures, shipyards, arrivals and battles, growth, the end of the game. The same state gives the same turn."""

from collections.abc import Iterable, Iterator, Sequence
from math import isqrt
from typing import Final

from msgspec.structs import replace

from engine.chance import Chance
from engine.model import Build, Event, EventKind, Fleet, Game, Order, Race, System
from engine.orders import SHIP_COST

SPEED: Final = 15
"""How far ships come in a turn."""


def play(game: Game) -> Game:
    """The game after its next turn; orders are spent by it. A finished game has none."""
    if game.finished:
        raise ValueError("the game is finished")
    return _Turn(game).result()


def travel_turns(one: System, other: System) -> int:
    """Turns from one system to another, at least 1."""
    return 1 + isqrt((one.x - other.x) ** 2 + (one.y - other.y) ** 2) // SPEED


class _Turn:
    """A turn as it is worked out."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._number = game.turn + 1
        self._systems = {system.id: system for system in game.systems}
        self._production = {race.name: race.production for race in game.races}
        self._fleets = list(game.fleets)
        self._events: list[Event] = []

    def result(self) -> Game:
        self._departures()
        self._shipyards()
        self._arrivals()
        self._growth()
        alive = self._alive()
        for race in sorted(_alive(self._game.systems, self._game.fleets) - alive):
            self._tell("eliminated", None, 0, race, *self._production)
        finished = len(alive) < 2
        return replace(
            self._game,
            turn=self._number,
            races=tuple(Race(name=race, production=left) for race, left in self._production.items()),
            systems=tuple(self._systems.values()),
            fleets=tuple(self._fleets),
            orders={},
            events=tuple(self._events),
            finished=finished,
            winner=min(alive) if finished and alive else None,
        )

    def _alive(self) -> set[str]:
        return _alive(self._systems.values(), self._fleets)

    def _orders(self) -> Iterator[tuple[str, Sequence[Order]]]:
        # By race and not by the time that they came: what was ordered first is no part of the rules.
        for race in self._game.races:
            yield race.name, self._game.orders.get(race.name, ())

    def _tell(self, kind: EventKind, system: str | None, ships: int, *races: str | None) -> None:
        seen = tuple(dict.fromkeys(race for race in races if race is not None))
        self._events.append(Event(kind=kind, races=seen, system=system, ships=ships))

    def _departures(self) -> None:
        for race, orders in self._orders():
            for order in orders:
                if isinstance(order, Build):
                    continue
                origin = self._systems[order.origin]
                self._systems[origin.id] = replace(origin, ships=origin.ships - order.ships)
                turns = travel_turns(origin, self._systems[order.destination])
                self._fleets.append(
                    Fleet(
                        owner=race,
                        origin=order.origin,
                        destination=order.destination,
                        ships=order.ships,
                        arrives=self._game.turn + turns,
                    )
                )
                self._tell("departed", origin.id, order.ships, race)

    def _shipyards(self) -> None:
        for race, orders in self._orders():
            for order in orders:
                if isinstance(order, Build):
                    system = self._systems[order.system]
                    self._systems[system.id] = replace(system, ships=system.ships + order.ships)
                    self._production[race] -= order.ships * SHIP_COST
                    self._tell("built", system.id, order.ships, race)

    def _arrivals(self) -> None:
        arrived = [fleet for fleet in self._fleets if fleet.arrives <= self._number]
        self._fleets = [fleet for fleet in self._fleets if fleet.arrives > self._number]

        def order(fleet: Fleet) -> tuple[object, ...]:
            # A garrison is reinforced before it is attacked; the larger fleet attacks first, equal ones by lot.
            friendly = self._systems[fleet.destination].owner == fleet.owner
            lot = Chance(self._game.seed, self._number, fleet.destination, fleet.owner, "lot").below(2**32)
            return fleet.destination, not friendly, -fleet.ships, lot, fleet.owner, fleet.origin

        for fleet in sorted(arrived, key=order):
            system = self._systems[fleet.destination]
            if system.owner == fleet.owner:
                self._systems[system.id] = replace(system, ships=system.ships + fleet.ships)
                self._tell("arrived", system.id, fleet.ships, fleet.owner)
            else:
                self._battle(system, fleet)

    def _battle(self, system: System, fleet: Fleet) -> None:
        """Lanchester's square law: the winner keeps the root of the difference of the squared strengths."""
        chance = Chance(self._game.seed, self._number, system.id, fleet.owner, fleet.origin, "battle")
        attack = fleet.ships * chance.between(80, 120)
        defence = system.ships * chance.between(90, 130)
        left = isqrt(abs(attack * attack - defence * defence))
        if attack > defence:
            survivors = max(1, fleet.ships * left // attack)
            self._systems[system.id] = replace(
                system,
                owner=fleet.owner,
                ships=survivors,
                population=system.population - system.population // 4,
            )
            self._tell("conquered", system.id, survivors, fleet.owner, system.owner)
        else:
            survivors = max(min(system.ships, 1), system.ships * left // max(defence, 1))
            self._systems[system.id] = replace(system, ships=survivors)
            self._tell("repelled", system.id, survivors, fleet.owner, system.owner)

    def _growth(self) -> None:
        for system in list(self._systems.values()):
            if system.owner is None:
                continue
            room = system.capacity - system.population
            if room > 0:
                grown = max(1, system.population * room // (10 * system.capacity))
                self._systems[system.id] = replace(system, population=system.population + min(grown, room))
            self._production[system.owner] += system.population // 10


def _alive(systems: Iterable[System], fleets: Iterable[Fleet]) -> set[str]:
    holders = {system.owner for system in systems if system.owner is not None}
    return holders | {fleet.owner for fleet in fleets}
