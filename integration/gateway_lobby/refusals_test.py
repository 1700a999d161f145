"""Every command that lobby refuses is refused through the gateway with lobby's own status and code."""

from collections.abc import Callable
from typing import Final

import pytest

from contracts.gateway.device import Device
from contracts.http import Answer
from contracts.lobby import commands
from contracts.lobby.client import contract
from contracts.lobby.player import Player
from contracts.platform.platform import Platform

OPERATIONS: Final = sorted(commands.message_types())
NOBODY: Final = "g-" + "0" * 32
PATH: Final = {"game_id": NOBODY, "application_id": "a-0", "invite_id": "i-0", "user_id": "user-0"}
BODIES: Final = {
    "updateGame": {"name": "Lepanto"},
    "submitApplication": {"race_name": "Zerg"},
    "joinGame": {"race_name": "Zerg"},
    "acceptInvite": {"race_name": "Zerg"},
    "createInvite": {"invitee_user_id": "user-0"},
}


def having(outcome: str) -> list[str]:
    """The operations that document an outcome."""
    return [name for name in OPERATIONS if outcome in contract().operation(name).outcomes]


def path_of(operation: str, **ids: str) -> dict[str, str]:
    """The parameters of an operation's path."""
    template = contract().operation(operation).template
    return {name: value for name, value in {**PATH, **ids}.items() if f"{{{name}}}" in template}


@pytest.fixture
def device(platform: Platform) -> Device:
    return platform.device("ada@example.test")


def test_a_document_that_is_wrong_is_an_invalid_request_of_every_command(device: Device) -> None:
    for operation in OPERATIONS:
        right = {**path_of(operation), **BODIES.get(operation, {})}
        for wrong in (b"", b"{", b"[]", {**right, "unknown": 1}):
            commands.execute(device, operation, wrong).expect_error(400, "invalid_request")


def test_a_document_that_is_too_large_is_refused_by_lobby(device: Device) -> None:
    for operation in having("413 request_too_large"):
        large = {**path_of(operation), **BODIES.get(operation, {}), "name": "n" * 20_000}
        commands.execute(device, operation, large).expect_error(413, "request_too_large")


def test_a_game_that_is_not_there_is_not_found_by_every_command(ada: Player) -> None:
    for operation in having("404 game_not_found"):
        answer = ada.perform(operation, path_of(operation), BODIES.get(operation))
        answer.expect_error(404, "game_not_found")


def test_what_is_the_owner_s_is_forbidden_to_others(ada: Player, bob: Player, platform: Platform) -> None:
    game, carl = ada.opened(), platform.player("carl@example.test")
    ada.join(game, "Terrans").expect(201)
    application = bob.applied(game, "Zerg")
    private = ada.opened(visibility="private")
    invite = ada.invited(private, bob.user_id)
    others: dict[str, Callable[[], Answer]] = {
        "withdrawApplication": lambda: ada.withdraw(game, application),
        "acceptInvite": lambda: ada.accept(private, invite, "Zerg"),
        "declineInvite": lambda: ada.decline(private, invite),
        "revokeInvite": lambda: bob.revoke(private, invite),
        "removeMember": lambda: carl.remove(game, ada.user_id),
        "joinGame": lambda: carl.join(game, "Protoss"),
    }
    for operation in having("403 forbidden"):
        path = path_of(operation, game_id=game, application_id=application)
        call = others.get(operation, lambda o=operation, p=path: carl.perform(o, p, BODIES.get(o)))
        call().expect_error(403, "forbidden")


def test_what_the_game_does_not_have_is_not_found(ada: Player, bob: Player) -> None:
    game = ada.opened()
    for operation in having("404 application_not_found"):
        caller = bob if operation == "withdrawApplication" else ada
        caller.perform(operation, path_of(operation, game_id=game)).expect_error(404, "application_not_found")
    for operation in having("404 invite_not_found"):
        answer = ada.perform(operation, path_of(operation, game_id=game), BODIES.get(operation))
        answer.expect_error(404, "invite_not_found")
    ada.remove(game, bob.user_id).expect_error(404, "member_not_found")


def test_what_the_state_does_not_allow_is_a_conflict(ada: Player, bob: Player) -> None:
    game, private = ada.opened(), ada.opened(visibility="private")
    application = bob.applied(game, "Zerg")
    invite, unanswered = ada.invited(private, bob.user_id), ada.invited(private, "user-9")
    for each in (game, private):
        ada.join(each, "Terrans").expect(201)
        ada.cancel(each).expect(200)
    calls: dict[str, Callable[[], Answer]] = {
        "acceptInvite": lambda: bob.accept(private, invite, "Zerg"),
        "declineInvite": lambda: bob.decline(private, invite),
        "revokeInvite": lambda: ada.revoke(private, unanswered),
        "createInvite": lambda: ada.invite(private, "user-7"),
        "submitApplication": lambda: bob.apply(game, "Protoss"),
        "withdrawApplication": lambda: bob.withdraw(game, application),
        "removeMember": lambda: ada.remove(game, ada.user_id),
    }
    for operation in having("409 conflict"):
        path = path_of(operation, game_id=game, application_id=application)
        call = calls.get(operation, lambda o=operation, p=path: ada.perform(o, p, BODIES.get(o)))
        call().expect_error(409, "conflict")


def test_a_race_name_is_taken_whichever_way_one_comes_in(ada: Player, bob: Player) -> None:
    game, private = ada.opened(), ada.opened(visibility="private")
    bob.apply(game, "Zerg").expect(201)
    ada.join(game, "zerg").expect_error(409, "race_name_taken")
    ada.join(private, "Terrans").expect(201)
    bob.accept(private, ada.invited(private, bob.user_id), "TERRANS").expect_error(409, "race_name_taken")


def test_an_invite_has_its_time(boot: Callable[..., Platform]) -> None:
    platform = boot(settings={"lobby": {"INVITE_TTL_MS": "1"}})
    ada, bob = platform.player("ada@example.test"), platform.player("bob@example.test")
    game = ada.opened(visibility="private")
    invite = ada.invited(game, bob.user_id)
    bob.accept(game, invite, "Zerg").expect_error(410, "invite_expired")
    bob.decline(game, invite).expect_error(410, "invite_expired")
    ada.revoke(game, invite).expect_error(410, "invite_expired")
