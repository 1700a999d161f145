"""The rules of the game, over many games."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import orders, turn
from engine.chance import Chance
from engine.galaxy import SYSTEMS_PER_RACE, new_game
from engine.model import Attack, Build, Fleet, Game, Move, Order, System
from engine.orders import InvalidOrderError

NAMES = [f"race {n}" for n in range(64)]
GAME = new_game(["Ada", "Bob"], 7)


def home(game: Game, race: str) -> System:
    return next(system for system in game.systems if system.owner == race)


def neutral(game: Game) -> System:
    return next(system for system in game.systems if system.owner is None)


def ordered(game: Game, race: str, *given: Order) -> Game:
    orders.check(game, race, given)
    return replace(game, orders={**game.orders, race: given})


def player(game: Game, race: str, chance: Chance) -> list[Order]:
    """Legal orders of somebody who attacks a lot."""
    given: list[Order] = []
    production = next(item.production for item in game.races if item.name == race)
    for system in game.systems:
        if system.owner != race:
            continue
        target = game.systems[chance.below(len(game.systems))]
        if system.ships and target != system:
            kind = Move if target.owner == race else Attack
            given.append(kind(origin=system.id, destination=target.id, ships=chance.between(1, system.ships)))
        if production >= orders.SHIP_COST:
            given.append(Build(system=system.id, ships=production // orders.SHIP_COST))
            production %= orders.SHIP_COST
    return given


@given(st.integers(2, 64), st.integers(0, 2**53 - 1))
def test_a_new_game_is_fair_and_has_a_system_in_every_square(count: int, seed: int) -> None:
    game = new_game(NAMES[:count], seed)
    assert len(game.systems) == SYSTEMS_PER_RACE * count
    assert sorted(system.owner for system in game.systems if system.owner) == sorted(NAMES[:count])
    homes = {(s.population, s.capacity, s.ships) for s in game.systems if s.owner}
    assert len(homes) == 1
    assert len({(s.x // 10, s.y // 10) for s in game.systems}) == len(game.systems)


@given(st.integers(2, 8), st.integers(0, 2**53 - 1))
def test_whole_games_keep_the_rules_and_repeat_exactly(count: int, seed: int) -> None:
    def whole() -> Game:
        game, chance = new_game(NAMES[:count], seed), Chance(seed, "players")
        for _ in range(15):
            for race in game.races:
                game = ordered(game, race.name, *player(game, race.name, chance))
            game = turn.play(game)
            for system in game.systems:
                assert min(system.ships, system.population) >= 0
            for race in game.races:
                assert race.production >= 0
            if game.finished:
                break
        return game

    one = whole()
    assert msgspec.json.encode(one) == msgspec.json.encode(whole())
    assert msgspec.json.decode(msgspec.json.encode(one), type=Game) == one


def test_what_was_ordered_first_is_no_part_of_the_rules() -> None:
    game = GAME
    for _ in range(3):
        build = {name: Build(system=home(game, name).id, ships=2) for name in ("Ada", "Bob")}
        forth = ordered(ordered(game, "Ada", build["Ada"]), "Bob", build["Bob"])
        back = ordered(ordered(game, "Bob", build["Bob"]), "Ada", build["Ada"])
        assert turn.play(forth) == turn.play(back)
        game = turn.play(forth)


def test_a_ship_costs_production_and_leaves_one_turn_later() -> None:
    at = home(GAME, "Ada")
    with pytest.raises(InvalidOrderError, match=r"^orders\[1\]: 5 more production"):
        orders.check(GAME, "Ada", [Build(system=at.id, ships=2), Build(system=at.id, ships=1)])
    after = turn.play(ordered(GAME, "Ada", Build(system=at.id, ships=2)))
    assert home(after, "Ada").ships == at.ships + 2
    assert after.races[0].production == GAME.races[0].production - 10 + home(after, "Ada").population // 10


def test_ships_on_their_way_arrive_when_the_distance_says() -> None:
    at, target = home(GAME, "Ada"), neutral(GAME)
    turns = turn.travel_turns(at, target)
    game = turn.play(ordered(GAME, "Ada", Attack(origin=at.id, destination=target.id, ships=10)))
    for number in range(1, turns):
        assert [fleet.arrives for fleet in game.fleets] == [turns], number
        game = turn.play(game)
    assert game.fleets == ()
    assert {event.kind for event in game.events} & {"conquered", "repelled"}


def test_a_garrison_is_reinforced_before_it_is_attacked() -> None:
    at = home(GAME, "Bob")
    fleets = (
        Fleet(owner="Ada", origin=home(GAME, "Ada").id, destination=at.id, ships=50, arrives=1),
        Fleet(owner="Bob", origin=at.id, destination=at.id, ships=100, arrives=1),
    )
    after = turn.play(replace(GAME, fleets=fleets))
    assert home(after, "Bob").ships > 80
    assert [event.kind for event in after.events] == ["arrived", "repelled"]


def test_the_last_race_wins() -> None:
    at = home(GAME, "Bob")
    fleet = Fleet(owner="Ada", origin=home(GAME, "Ada").id, destination=at.id, ships=1000, arrives=1)
    after = turn.play(replace(GAME, fleets=(fleet,)))
    assert (after.finished, after.winner) == (True, "Ada")
    assert [(event.kind, event.races) for event in after.events] == [
        ("conquered", ("Ada", "Bob")),
        ("eliminated", ("Bob", "Ada")),
    ]
    with pytest.raises(ValueError, match="finished"):
        turn.play(after)


def test_when_the_last_two_fall_together_nobody_wins() -> None:
    systems = tuple(replace(s, owner=None, ships=1000) for s in GAME.systems)
    fleets = tuple(
        Fleet(owner=name, origin="s001", destination="s002", ships=1, arrives=1) for name in ("Ada", "Bob")
    )
    after = turn.play(replace(GAME, systems=systems, fleets=fleets))
    assert (after.finished, after.winner) == (True, None)


def test_two_who_come_for_an_empty_system_fight_for_it() -> None:
    empty = replace(neutral(GAME), ships=0)
    systems = tuple(empty if s.id == empty.id else s for s in GAME.systems)
    fleets = tuple(
        Fleet(owner=name, origin=home(GAME, name).id, destination=empty.id, ships=ships, arrives=1)
        for name, ships in (("Ada", 20), ("Bob", 5))
    )
    after = turn.play(replace(GAME, systems=systems, fleets=fleets))
    held = next(s for s in after.systems if s.id == empty.id)
    assert held.owner == "Ada"
    assert [event.kind for event in after.events] == ["conquered", "repelled"]


AT, OTHER = home(GAME, "Ada").id, home(GAME, "Bob").id


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Build(system=OTHER, ships=1), "not a system of this race"),
        (Build(system="s999", ships=1), "no system s999"),
        (Attack(origin=OTHER, destination=AT, ships=1), "not a system of this race"),
        (Attack(origin=AT, destination="s999", ships=1), "no system s999"),
        (Attack(origin=AT, destination=OTHER, ships=11), "1 more ships are needed"),
        (Move(origin=AT, destination=OTHER, ships=1), "attack only"),
        (Attack(origin=AT, destination=AT, ships=1), "already"),
    ],
)
def test_what_the_rules_forbid_is_named(order: Order, reason: str) -> None:
    with pytest.raises(InvalidOrderError, match=rf"^orders\[0\]: .*{reason}"):
        orders.check(GAME, "Ada", [order])
