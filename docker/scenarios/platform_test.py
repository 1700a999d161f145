"""The whole platform: real processes of all five services, embedded stores, real engine containers."""

from collections.abc import Iterator

import pytest

from contracts import images
from contracts.lobby.player import Player
from contracts.platform import platform as platforms
from contracts.platform.platform import Platform
from seatrial import Environment
from story import World, call_off, play

pytestmark = pytest.mark.requires("docker")


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """An engine's image under a name of this run's own."""
    with images.engine_tag(images.engine_image("1.4.0"), "1.4.0") as reference:
        yield reference


@pytest.fixture
def platform(environment: Environment) -> Platform:
    return platforms.boot(environment, parts=("gateway", "authsession", "lobby", "notification", "rtmanager"))


@pytest.fixture
def world(platform: Platform, image: str) -> World:
    return World(
        gateway=platform.gateway.http,
        edge=platform.gateway.edge,
        authsession=platform.authsession.http,
        lobby=platform.lobby.http,
        rtmanager=platform.rtmanager.http,
        code_for=platform.mail.code_for,
        containers_of=lambda game: len(platform.containers(game)),
        engine_of=platform.engine,
        image_ref=image,
    )


def test_a_whole_game(world: World) -> None:
    play(world)


def test_a_game_that_is_called_off_while_it_starts(world: World, platform: Platform) -> None:
    def start(owner: Player, game: str) -> None:
        # A start may come after its stop, and an answer of Redis in the pause.
        for event in ("operation_failed", "dependency_unavailable"):
            platform.rtmanager.process.allow_log(event)
        platform.rtmanager.process.pause()
        owner.start(game).expect(200)
        owner.cancel(game).expect(200)
        platform.rtmanager.process.resume()

    call_off(world, start)
