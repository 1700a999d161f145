"""What is told of a game: to its master, and to each race no more than it can see."""

from engine.model import Game
from engine.wire import GameStatus, Phase, Report, Sighting, Standing


def phase(game: Game) -> Phase:
    """Whether it is still played."""
    return "finished" if game.finished else "running"


def status(game: Game) -> GameStatus:
    """The whole game in short."""
    return GameStatus(
        status=phase(game),
        turn=game.turn,
        winner=game.winner,
        races=tuple(_standing(game, race.name) for race in game.races),
    )


def report(game: Game, race: str) -> Report:
    """What a race sees. Foreign ships, populations, fleets, orders and events stay hidden."""
    return Report(
        race=race,
        status=phase(game),
        turn=game.turn,
        winner=game.winner,
        production=next(item.production for item in game.races if item.name == race),
        systems=tuple(system for system in game.systems if system.owner == race),
        fleets=tuple(fleet for fleet in game.fleets if fleet.owner == race),
        others=tuple(
            Sighting(id=system.id, x=system.x, y=system.y, owner=system.owner)
            for system in game.systems
            if system.owner != race
        ),
        orders=game.orders.get(race, ()),
        events=tuple(event for event in game.events if race in event.races),
    )


def _standing(game: Game, race: str) -> Standing:
    owned = [system for system in game.systems if system.owner == race]
    under_way = sum(fleet.ships for fleet in game.fleets if fleet.owner == race)
    return Standing(
        race=race,
        systems=len(owned),
        population=sum(system.population for system in owned),
        ships=sum(system.ships for system in owned) + under_way,
        orders_given=race in game.orders,
    )
