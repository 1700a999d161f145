"""New games: a map out of a seed."""

from collections.abc import Sequence
from math import isqrt
from typing import Final

from engine.chance import Chance
from engine.model import Game, Race, System

SYSTEMS_PER_RACE: Final = 3
_CELL: Final = 10
"""Side of a square of the grid: each square has one system, somewhere in its inner part."""
_HOME_POPULATION: Final = 100
_HOME_CAPACITY: Final = 200
_HOME_SHIPS: Final = 10


def new_game(names: Sequence[str], seed: int) -> Game:
    """A game that has not had a turn: every race has one home, and twice as many systems belong to nobody."""
    chance = Chance(seed, "galaxy")
    count = SYSTEMS_PER_RACE * len(names)
    side = isqrt(count - 1) + 1
    owners = list(names)
    chance.shuffle(owners)
    systems = []
    for number in range(count):
        row, column = divmod(number, side)
        x = column * _CELL + chance.between(2, _CELL - 2)
        y = row * _CELL + chance.between(2, _CELL - 2)
        # Every third square is a home: no race begins beside more neighbours than the grid gives all of them.
        home = number % SYSTEMS_PER_RACE == 0
        systems.append(
            System(
                id=f"s{number + 1:03}",
                x=x,
                y=y,
                owner=owners[number // SYSTEMS_PER_RACE] if home else None,
                population=_HOME_POPULATION if home else chance.between(10, 60),
                capacity=_HOME_CAPACITY if home else chance.between(60, 150),
                ships=_HOME_SHIPS if home else chance.between(2, 8),
            )
        )
    races = tuple(Race(name=name, production=_HOME_POPULATION // 10) for name in names)
    return Game(seed=seed, turn=0, races=races, systems=tuple(systems))
