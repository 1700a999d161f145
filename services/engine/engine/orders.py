"""What a race may order: checked when it is ordered, so that no turn can fail."""

from collections.abc import Sequence
from typing import Final

from engine.model import Build, Game, Move, Order, System

SHIP_COST: Final = 5
"""Production that one ship costs."""


class InvalidOrderError(ValueError):
    """An order that the rules forbid; the text names it by its place in the list, counted from 0."""


def check(game: Game, race: str, orders: Sequence[Order]) -> None:
    """Raises InvalidOrderError for the first order that the race cannot carry out together with those before it."""
    means = _Means(game, race)
    for number, order in enumerate(orders):
        try:
            means.spend(order)
        except InvalidOrderError as error:
            raise InvalidOrderError(f"orders[{number}]: {error}") from None


class _Means:
    """What a race has left to order with."""

    def __init__(self, game: Game, race: str) -> None:
        self._race = race
        self._systems = {system.id: system for system in game.systems}
        self._ships = {system.id: system.ships for system in game.systems if system.owner == race}
        self._production = next(item.production for item in game.races if item.name == race)

    def spend(self, order: Order) -> None:
        if isinstance(order, Build):
            self._own(order.system)
            self._production -= order.ships * SHIP_COST
            if self._production < 0:
                raise InvalidOrderError(
                    f"{-self._production} more production is needed, a ship costs {SHIP_COST}"
                )
            return
        origin, target = self._own(order.origin), self._known(order.destination)
        if origin == target:
            raise InvalidOrderError(f"the ships are at {origin.id} already")
        if isinstance(order, Move) != (target.owner == self._race):
            other = "move" if target.owner == self._race else "attack"
            raise InvalidOrderError(f"{target.id} can be the destination of {other} only")
        self._ships[origin.id] -= order.ships
        if self._ships[origin.id] < 0:
            raise InvalidOrderError(f"{-self._ships[origin.id]} more ships are needed at {origin.id}")

    def _known(self, system: str) -> System:
        if system not in self._systems:
            raise InvalidOrderError(f"there is no system {system}")
        return self._systems[system]

    def _own(self, system: str) -> System:
        known = self._known(system)
        if known.owner != self._race:
            raise InvalidOrderError(f"{system} is not a system of this race")
        return known
