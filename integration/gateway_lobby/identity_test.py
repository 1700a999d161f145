"""Who calls is what the session says, whatever else a command claims."""

import json

from contracts.lobby import commands
from contracts.platform.platform import Platform

ADA, BOB = "ada@example.test", "bob@example.test"


def test_lobby_hears_of_the_user_of_the_session(platform: Platform) -> None:
    ada = platform.player(ADA)
    game = ada.created()
    found = platform.lobby.http.game(game).expect(200).json()
    assert found["game"]["owner_user_id"] == platform.users.id_of(ADA)


def test_a_command_cannot_name_another_user(platform: Platform) -> None:
    device, ada = platform.device(BOB), platform.player(ADA)
    game = ada.opened()
    for field in ("user_id", "x_user_id", "owner_user_id"):
        document = {"game_id": game, field: ada.user_id}
        commands.execute(device, "cancelGame", document).expect_error(400, "invalid_request")
    commands.execute(device, "cancelGame", {"game_id": game}).expect_error(403, "forbidden")


def test_two_devices_of_a_user_are_one_player(platform: Platform) -> None:
    phone, tablet = platform.player(ADA), platform.player(ADA)
    game = phone.opened()
    phone.join(game, "Terrans").expect(201)
    assert tablet.games(role="member").expect(200).json()["games"][0]["game_id"] == game
    tablet.remove(game, tablet.user_id).expect(200)


def test_a_revoked_session_plays_no_more(platform: Platform) -> None:
    device = platform.device(ADA)
    game = json.loads(commands.execute(device, "createGame", new_game()).expect(201).body)["game_id"]
    key = f"gateway:session:{device.session_id}"
    revoked = {"status": "revoked", "revoked_at_ms": "1", "revoke_reason": "lost_device", "version": "2"}
    platform.streams.redis.hset(key, mapping=revoked)
    device.expect_rejected("session_revoked", device.envelope("lobby.open_enrollment"))
    assert platform.lobby.http.status(game) == "draft"


def test_a_repeated_command_is_executed_once(platform: Platform) -> None:
    device = platform.device(ADA)
    envelope = device.envelope("lobby.create_game", payload_bytes=json.dumps(new_game()).encode())
    assert device.send(envelope).status_code == 201
    device.expect_rejected("replayed_request", envelope)
    games = (
        platform.lobby.http.player(platform.users.id_of(ADA)).games(role="owner").expect(200).json()["games"]
    )
    assert len(games) == 1


def new_game() -> dict[str, object]:
    """A right document of `createGame`."""
    return {
        "name": "Trafalgar",
        "visibility": "public",
        "min_players": 2,
        "max_players": 4,
        "enrollment_ends_at_ms": 4_000_000_000_000,
        "image_ref": "seatrial-engine:1.4.0",
    }
