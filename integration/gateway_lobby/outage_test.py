"""lobby, its network and its stores fail under the gateway: each failure has its code, and ends by itself."""

from collections.abc import Callable

import pytest

from contracts.gateway.device import Device
from contracts.platform.platform import Platform
from seatrial import until


def list_games(device: Device) -> str:
    """What becomes of a command: its status, or the code that it is refused with."""
    envelope = device.envelope("lobby.list_games")
    rejection = device.rejection(envelope)
    return "answered" if rejection == "accepted" else rejection


def test_a_lobby_that_is_gone_is_unavailable_until_it_is_back(platform: Platform) -> None:
    device = platform.device()
    platform.lobby.process.stop()
    assert list_games(device) == "downstream_unavailable"
    platform.lobby.process.restart()
    until("commands to be answered", lambda: list_games(device) == "answered")


def test_a_killed_lobby_keeps_what_it_had_said_yes_to(platform: Platform) -> None:
    ada = platform.player()
    game = ada.opened()
    platform.lobby.process.kill()
    platform.lobby.process.restart()
    until("lobby to answer", lambda: list_games(platform.device()) == "answered")
    assert ada.game(game).expect(200).json()["status"] == "enrollment_open"


def test_a_lobby_that_hangs_is_a_timeout(boot: Callable[..., Platform]) -> None:
    platform = boot(settings={"gateway": {"DOWNSTREAM_TIMEOUT_MS": "1000"}})
    device = platform.device()
    # Who is woken up finds that its own dependencies have kept it waiting.
    platform.lobby.process.allow_log("dependency_unavailable")
    platform.lobby.process.pause()
    assert list_games(device) == "downstream_timeout"
    platform.lobby.process.resume()
    until("commands to be answered", lambda: list_games(device) == "answered")


@pytest.mark.parametrize("fault", ["refused", "reset"])
def test_a_network_that_breaks_is_unavailable(boot: Callable[..., Platform], fault: str) -> None:
    platform = boot(proxied=["gateway to lobby"])
    device, proxy = platform.device(), platform.proxies["gateway to lobby"]
    with getattr(proxy, fault)():
        assert list_games(device) == "downstream_unavailable"
    until("commands to be answered", lambda: list_games(device) == "answered")


def test_without_its_database_lobby_is_unavailable_and_says_so(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["lobby to postgres"])
    platform.lobby.process.allow_log("dependency_unavailable")
    ada, device = platform.player(), platform.device()
    game = ada.created()
    with platform.proxies["lobby to postgres"].reset():
        assert list_games(device) == "downstream_unavailable"
        assert platform.lobby.admin.dependencies()["postgres"]["status"] == "unavailable"
    until("commands to be answered", lambda: list_games(device) == "answered")
    until("/readyz to say so", lambda: platform.lobby.admin.ready().status == 200)
    assert ada.open_enrollment(game).expect(200).json()["status"] == "enrollment_open"


def test_without_redis_lobby_still_serves_and_its_messages_come_later(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["lobby to redis"])
    platform.lobby.process.allow_log("dependency_unavailable")
    ada, bob = platform.player("ada@example.test"), platform.player("bob@example.test")
    game = ada.opened()
    with platform.proxies["lobby to redis"].reset():
        application = bob.applied(game, "Zerg")
        ada.approve(game, application).expect(200)
        assert platform.streams.entries("notification:intents") == []
    submitted = platform.streams.wait_for(
        "notification:intents",
        "the application",
        lambda entry: entry["notification_type"] == "lobby.application_submitted",
    )
    approved = platform.streams.wait_for(
        "notification:intents",
        "its approval",
        lambda entry: entry["notification_type"] == "lobby.application_approved",
    )
    assert application in submitted["idempotency_key"]
    assert application in approved["idempotency_key"]
