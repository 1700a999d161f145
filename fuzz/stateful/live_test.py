"""The live services bear whatever their OpenAPI documents allow, in any order, and refuse the rest as documented.

A fault is an answer that the document does not have, a 500, an accepted request that is not in the documented form, a warning
in a log, or a process that ended. Each test also says how far it must come: a sequence that only ever hears 404 shows nothing.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from contracts.gateway.signing import DeviceKey
from contracts.notification.intents import Notifications
from contracts.paths import AUTHSESSION_API, GATEWAY_API, LOBBY_API, NOTIFICATION_API
from contracts.platform import platform as platforms
from contracts.platform.parts import Part
from contracts.platform.platform import Platform
from machine import CALLERS, Record
from seatrial import Environment, until
from services import CALLS, STEPS, fuzzed

EXAMPLES: Final = 40
"""Single calls of each operation."""
SESSIONS: Final = {
    "confirmEmailCode": dict.fromkeys(("getSession", "revokeSession"), "device_session_id"),
    "getSession": dict.fromkeys(("listUserSessions", "revokeAllUserSessions"), "user_id"),
}
"""What a sign-in leads to."""

GAMES: Final = {
    "name": lambda chance: f"Trafalgar {chance.randrange(1000)}",
    "race_name": lambda chance: chance.choice(("Aurora", "Borealis", "Corvus", "Dorado")),
    "min_players": lambda _: 2,
    "max_players": lambda chance: chance.randint(2, 5),
    "enrollment_ends_at_ms": lambda chance: time.time_ns() // 1_000_000 + chance.randrange(60_000, 600_000),
    "invitee_user_id": lambda chance: chance.choice(CALLERS),
    "user_id": lambda chance: chance.choice(CALLERS),
}


def sign_in(platform: Platform) -> dict[str, Callable[[Random], object]]:
    """What a person says who has the mail and a device: the newest code is the one that is typed."""

    def code(_: Random) -> str:
        return platform.mail.sent[-1].code if platform.mail.sent else "000000"

    return {
        "email": lambda chance: f"user-{chance.randrange(10**6)}@example.test",
        "code": code,
        "client_public_key": lambda chance: DeviceKey(chance.randbytes(32)).public,
        "time_zone": lambda chance: chance.choice(("Europe/Paris", "America/Lima")),
    }


@pytest.mark.parametrize(
    ("part", "api"),
    [
        ("lobby", LOBBY_API),
        ("authsession", AUTHSESSION_API),
        ("notification", NOTIFICATION_API),
        ("gateway", GATEWAY_API),
    ],
)
def test_every_operation_answers_as_documented_whatever_it_is_sent(
    environment: Environment, part: Part, api: Path, seed: int, record: Record
) -> None:
    platform = platforms.boot(environment, parts={part, "authsession"})
    service = fuzzed(platform, part, api, seed)
    service.single_calls(EXAMPLES, record)
    assert record.operations == service.operations
    assert all(process.state == "ready" for process in platform.processes)


def test_games_of_three_players_in_any_order(environment: Environment, seed: int, record: Record) -> None:
    platform = platforms.boot(environment, parts=["lobby"])
    reach = {"createGame", "getGame", "updateGame", "openEnrollment", "joinGame", "cancelGame"}
    fuzzed(platform, "lobby", LOBBY_API, seed, GAMES).sequences(CALLS, STEPS, record, reach)
    assert record.refused >= {"startGame", "openEnrollment", "approveApplication"}


def test_sign_ins_and_revocations_in_any_order(environment: Environment, seed: int, record: Record) -> None:
    platform = platforms.boot(environment, parts=["authsession"])
    service = fuzzed(platform, "authsession", AUTHSESSION_API, seed, sign_in(platform), SESSIONS)
    reach = {"sendEmailCode", "confirmEmailCode", "getSession", "listUserSessions", "revokeSession"}
    service.sequences(CALLS, STEPS, record, reach)


def test_sign_ins_through_the_gateway(environment: Environment, seed: int, record: Record) -> None:
    platform = platforms.boot(environment, parts=["gateway", "authsession"])
    service = fuzzed(platform, "gateway", GATEWAY_API, seed, sign_in(platform))
    service.sequences(CALLS // 2, STEPS, record, reach={"sendEmailCode", "confirmEmailCode"})


def test_dead_letters_replayed_and_discarded_in_any_order(
    environment: Environment, seed: int, record: Record
) -> None:
    platform = platforms.boot(
        environment, parts=["notification"], settings={"notification": {"EMAIL_MAX_ATTEMPTS": "1"}}
    )
    told = Notifications(platform.streams)
    letters = 5
    for event in ("route_dead", "dependency_unavailable"):
        platform.notification.process.allow_log(event)
    with platform.users.failing(500):
        for number in range(letters):
            told.tell(f"user-{number}", notification_type="lobby.game_finished")
        http = platform.notification.http
        until("dead letters", lambda: len(http.dead_letters().json()["dead_letters"]) >= letters)
    reach = {"listDeadLetters", "getDeadLetter", "replayDeadLetter", "discardDeadLetter"}
    fuzzed(platform, "notification", NOTIFICATION_API, seed).sequences(CALLS // 2, STEPS, record, reach)
