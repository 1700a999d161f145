"""Verbs of a whole game: enrolled, started, running, ended."""

from contracts.lobby.player import Player
from contracts.platform.platform import Platform
from seatrial import until


def ready(owner: Player, other: Player, image_ref: str) -> str:
    """A public game of two with that image, full and therefore ready to start."""
    game = owner.opened(image_ref=image_ref, max_players=2)
    owner.join(game, "Terrans").expect(201)
    owner.approve(game, other.applied(game, "Zerg")).expect(200)
    return game


def started(owner: Player, other: Player, image_ref: str) -> str:
    """The same, and its start requested."""
    game = ready(owner, other, image_ref)
    owner.start(game).expect(200)
    return game


def wait_status(platform: Platform, game: str, *statuses: str, timeout: float = 30.0) -> str:
    """Waits until lobby says one of these of a game; says which."""

    def found() -> str | None:
        status = platform.lobby.http.status(game)
        return status if status in statuses else None

    status = until(f"{game} to be {' or '.join(statuses)}", found, timeout)
    if status is None:  # `until` returns true values only; this tells the type checker
        raise AssertionError
    return status


def wait_runtime(platform: Platform, game: str, *statuses: str, timeout: float = 30.0) -> None:
    """Waits until rtmanager says one of these of a game."""

    def found() -> bool:
        answer = platform.rtmanager.http.runtime(game)
        return answer.status == 200 and answer.json()["status"] in statuses

    until(f"the runtime of {game} to be {' or '.join(statuses)}", found, timeout)
