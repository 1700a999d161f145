"""The game inside a container, as its master and its players reach it: one game, by its rules, for as long as it lasts."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from contracts.engine.client import Engine
from contracts.platform.platform import Platform


@dataclass(frozen=True)
class Running:
    """A game whose engine runs."""

    platform: Platform
    game: str

    @property
    def engine(self) -> Engine:
        return self.platform.engine(self.game)

    def restart(self) -> None:
        """Another container, the same state."""
        self.platform.rtmanager.http.restart(self.game, timeout=30.0).expect(200)


@pytest.fixture
def running(boot: Callable[..., Platform], image: str) -> Running:
    platform, game = boot(parts=("rtmanager",)), f"g-{uuid.uuid4()}"
    platform.rtmanager.http.start(game, image, timeout=30.0).expect(200)
    return Running(platform, game)


def test_a_game_begins_once_with_two_to_sixty_four_races(running: Running) -> None:
    engine, many = running.engine, [f"Race {number}" for number in range(65)]
    for wrong in ([], ["Terrans"], many, ["Zerg", "zerg"]):
        engine.call("initGame", json_body={"races": wrong}, unchecked=True).expect_error(
            400, "invalid_request"
        )
    assert engine.status().expect(200).json() == {"initialized": False, "game": None}
    engine.init(*many[:64]).expect(200)
    engine.turn().expect(200)
    assert engine.init(*reversed(many[:64])).expect(200).json()["turn"] == 1
    engine.init("Terrans", "Zerg").expect_error(409, "conflict")
    assert len(engine.status().expect(200).json()["game"]["races"]) == 64


def test_what_was_played_outlives_a_restart_and_what_comes_late_is_stale(running: Running) -> None:
    running.engine.init("Terrans", "Zerg").expect(200)
    assert running.engine.turn(expected_turn="0").expect(200).json()["turn"] == 1
    running.restart()
    engine = running.engine
    engine.turn(expected_turn="0").expect_error(409, "stale_turn")
    engine.order("Zerg", {"turn": 0, "orders": []}).expect_error(409, "stale_turn")
    assert engine.report("Zerg").expect(200).json()["turn"] == 1


def test_a_race_is_found_in_any_spelling(running: Running) -> None:
    engine = running.engine
    engine.init("Straße", "Zerg").expect(200)
    for same in ("STRASSE", "straße", "\uff33trasse"):
        assert engine.report(same).expect(200).json()["race"] == "Straße"
    assert engine.order("ZERG", {"turn": 0, "orders": []}).expect(200).json()["race"] == "Zerg"
    engine.report("Strasze").expect_error(404, "race_not_found")
