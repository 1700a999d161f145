"""The one game of this process: every change is on the disk before it is seen."""

import asyncio
import os
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from engine import galaxy, orders, races, turn
from engine.model import Game, Order
from engine.store import StateCorrupt, StateUnreadable, StateUnwritable, Store


class NotInitialized(Exception):
    """There is no game yet."""


class OtherRaces(Exception):
    """There is a game already, with other races."""


class UnknownRace(Exception):
    """No race of the game has that name."""


class StaleTurn(Exception):
    """The game is in another turn than the caller believes."""


class Finished(Exception):
    """The game is over."""


class Table:
    """The game. Changes run one after another; each raises StateUnwritable, StateUnreadable and StateCorrupt."""

    def __init__(self, store: Store, *, seed: int | None) -> None:
        self._store = store
        self._seed = seed
        self._lock = asyncio.Lock()
        self._game: Game | None = None

    async def look(self) -> Game | None:
        """The game, None before it is initialised."""
        if self._game is None:
            async with self._lock:
                await self._read()
        return self._game

    async def game(self) -> Game:
        """The game; raises NotInitialized."""
        game = await self.look()
        if game is None:
            raise NotInitialized
        return game

    async def begin(self, names: Sequence[str]) -> tuple[Game, bool]:
        """The game of these races, and whether it is new. Raises OtherRaces and `races.InvalidRacesError`."""
        races.check(names)
        async with self._lock:
            game = await self._read()
            if game is not None:
                if not races.same(names, [race.name for race in game.races]):
                    raise OtherRaces
                return game, False
            seed = self._seed if self._seed is not None else int.from_bytes(os.urandom(8), "big") >> 11
            return await self._write(galaxy.new_game(names, seed)), True

    async def play(self, expected_turn: int | None) -> Game:
        """The game after its next turn. Raises NotInitialized, StaleTurn and Finished."""

        def next_turn(game: Game) -> Game:
            if expected_turn is not None and game.turn != expected_turn:
                raise StaleTurn(game.turn)
            if game.finished:
                raise Finished
            return turn.play(game)

        return await self._change(next_turn)

    async def order(self, name: str, for_turn: int, given: Sequence[Order]) -> tuple[Game, str]:
        """Takes a race's orders; gives the race's own spelling too.

        Raises NotInitialized, UnknownRace, StaleTurn, Finished and `orders.InvalidOrderError`.
        """

        def with_orders(game: Game) -> Game:
            race = find(game, name)
            if game.finished:
                raise Finished
            if game.turn != for_turn:
                raise StaleTurn(game.turn)
            orders.check(game, race, given)
            return replace(game, orders={**game.orders, race: tuple(given)})

        changed = await self._change(with_orders)
        return changed, find(changed, name)

    async def check(self) -> None:
        """Raises StateUnreadable, StateCorrupt or StateUnwritable when nothing could be played just now."""
        await self.look()
        self._store.check()

    async def _change(self, change: Callable[[Game], Game]) -> Game:
        async with self._lock:
            game = await self._read()
            if game is None:
                raise NotInitialized
            return await self._write(change(game))

    async def _read(self) -> Game | None:
        if self._game is None:
            self._game = await asyncio.to_thread(self._store.read)
        return self._game

    async def _write(self, game: Game) -> Game:
        # What is on the disk counts: whatever happens to this write, also when it is cancelled, it is read again.
        self._game = None
        await asyncio.to_thread(self._store.write, game)
        self._game = game
        return game


def find(game: Game, name: str) -> str:
    """A race's own spelling of its name; raises UnknownRace."""
    folded = races.fold(name)
    for race in game.races:
        if races.fold(race.name) == folded:
            return race.name
    raise UnknownRace(name)


STATE_FAILURES = (StateUnwritable, StateUnreadable, StateCorrupt)
