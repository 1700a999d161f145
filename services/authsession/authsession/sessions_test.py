import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from msgspec import UNSET
from servicekit.redis import Redis

from authsession.challenges import Right
from authsession.conftest import World, key
from authsession.sessions import Created, InvalidCursorError, Sessions
from authsession.wire import Session

SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "streams.schema.json").read_text())


def check(name: str, value: dict[str, str]) -> None:
    schema = {"$ref": f"#/$defs/{name}", "$defs": SCHEMAS["$defs"]}
    jsonschema_rs.validate(schema, value)


def projection(world: World, device_session_id: str) -> dict[str, str]:
    return world.hash(f"gateway:session:{device_session_id}")


def test_a_new_session_its_projection_and_its_event_say_the_same(world: World) -> None:
    device_session_id = world.sign_in("ada")
    session = world.run(world.sessions().get(device_session_id))
    assert session == Session(
        device_session_id=device_session_id,
        user_id="u1",
        status="active",
        client_public_key=key("ada"),
        time_zone="UTC",
        created_at_ms=session.created_at_ms if session else 0,
        version=1,
    )
    assert session is not None
    projected = {
        "device_session_id": device_session_id,
        "user_id": "u1",
        "status": "active",
        "client_public_key": key("ada"),
        "created_at_ms": str(session.created_at_ms),
        "version": "1",
    }
    assert projection(world, device_session_id) == projected
    assert world.events() == [{"event": "session.created", **projected}]
    check("session", projected)
    check("session_event", world.events()[0])


def test_a_revocation_reaches_truth_projection_and_stream_at_once(world: World) -> None:
    device_session_id = world.sign_in("ada")
    revoked = world.run(world.sessions().revoke(device_session_id, "lost_device", "user:u1"))
    assert revoked is not None
    new, session = revoked
    assert new
    assert (session.status, session.version) == ("revoked", 2)
    assert (session.revoke_reason, session.revoked_by) == ("lost_device", "user:u1")
    projected = projection(world, device_session_id)
    assert projected["status"] == "revoked"
    assert projected["version"] == "2"
    assert projected["revoke_reason"] == "lost_device"
    assert projected["revoked_at_ms"] == str(session.revoked_at_ms)
    assert "revoked_by" not in projected
    assert world.events()[1:] == [{"event": "session.revoked", **projected}]
    check("session", projected)
    check("session_event", world.events()[1])


def test_the_first_revocation_stays(world: World) -> None:
    device_session_id = world.sign_in("ada")
    first = world.run(world.sessions().revoke(device_session_id, "lost_device", "user:u1"))
    second = world.run(world.sessions().revoke(device_session_id, "other", "admin:1"))
    assert first is not None
    assert second == (False, first[1])
    assert len(world.events()) == 2


def test_of_many_simultaneous_revocations_one_does_it(world: World) -> None:
    device_session_id = world.sign_in("ada")
    others = [Redis(world.url) for _ in range(3)]
    instances = [world.sessions(redis) for redis in others]
    answers = world.together(
        *(instances[n % 3].revoke(device_session_id, f"reason_{n}", "a") for n in range(20))
    )
    assert [answer[0] for answer in answers if answer].count(True) == 1
    assert len({answer[1].revoke_reason for answer in answers if answer}) == 1
    assert [event["event"] for event in world.events()] == ["session.created", "session.revoked"]
    world.together(*(redis.close() for redis in others))


def test_an_unknown_session(world: World) -> None:
    assert world.run(world.sessions().get("s_unknown")) is None
    assert world.run(world.sessions().revoke("s_unknown", "r", "a")) is None
    assert world.command("DBSIZE") == 0


def test_revoke_all_counts_the_active_ones(world: World) -> None:
    mine = [world.sign_in(f"ada{n}") for n in range(3)]
    world.sign_in("bob", user_id="u2")
    world.run(world.sessions().revoke(mine[1], "lost_device", "user:u1"))
    assert world.run(world.sessions().revoke_all("u1", "password_reset", "admin:1")) == 2
    assert world.run(world.sessions().revoke_all("u1", "again", "admin:1")) == 0
    assert world.run(world.sessions().revoke_all("nobody", "r", "a")) == 0
    page = world.run(world.sessions().page("u1", 10, None))
    assert [session.revoke_reason for session in page.sessions] == [
        "password_reset",
        "lost_device",
        "password_reset",
    ]
    assert [event["device_session_id"] for event in world.events()[-2:]] == [mine[0], mine[2]]
    bobs = world.run(world.sessions().page("u2", 10, None)).sessions
    assert [session.status for session in bobs] == ["active"]


def test_the_session_limit_counts_active_sessions(world: World) -> None:
    sessions = world.sessions(max_per_user=2)
    first = world.sign_in("ada1", sessions=sessions)
    world.sign_in("ada2", sessions=sessions)
    refused = create(world, sessions, "ada3")
    assert refused == "session_limit_exceeded"
    world.run(sessions.revoke(first, "lost_device", "user:u1"))
    assert isinstance(create(world, sessions, "ada4"), Created)
    assert isinstance(create(world, sessions, "bob", user_id="u2"), Created)


def create(world: World, sessions: Sessions, name: str, user_id: str = "u1") -> Created | str:
    challenges = world.challenges()
    opened = world.run(challenges.open(f"{name}@example.test", "en"))
    assert opened.code is not None
    right = world.run(challenges.attempt(opened.challenge_id, opened.code, key(name)))
    assert isinstance(right, Right)
    return world.run(
        sessions.create(opened.challenge_id, right, user_id=user_id, public_key=key(name), time_zone="UTC")
    )


def test_no_race_exceeds_the_session_limit(world: World) -> None:
    challenges, sessions = world.challenges(), world.sessions(max_per_user=3)
    opened = [world.run(challenges.open(f"ada{n}@example.test", "en")) for n in range(12)]

    async def confirm(n: int) -> Created | str:
        right = await challenges.attempt(opened[n].challenge_id, opened[n].code or "", key(f"ada{n}"))
        assert isinstance(right, Right)
        return await sessions.create(
            opened[n].challenge_id, right, user_id="u1", public_key=key(f"ada{n}"), time_zone="UTC"
        )

    answers = world.together(*(confirm(n) for n in range(12)))
    assert sum(isinstance(answer, Created) for answer in answers) == 3
    assert answers.count("session_limit_exceeded") == 9
    assert world.command("ZCARD", "authsession:user-active:u1") == 3


def test_simultaneous_confirms_of_one_challenge_give_one_session(world: World) -> None:
    challenges, sessions = world.challenges(), world.sessions()
    opened = world.run(challenges.open("ada@example.test", "en"))
    keys = [key("one"), key("two")]
    rights = [world.run(challenges.attempt(opened.challenge_id, opened.code or "", each)) for each in keys]

    async def finish(n: int) -> Created | str:
        right = rights[n % 2]
        assert isinstance(right, Right)
        return await sessions.create(
            opened.challenge_id, right, user_id="u1", public_key=keys[n % 2], time_zone="UTC"
        )

    answers = world.together(*(finish(n) for n in range(20)))
    created = [answer for answer in answers if isinstance(answer, Created)]
    assert [answer.new for answer in created].count(True) == 1
    assert len({answer.device_session_id for answer in created}) == 1
    assert len(created) == answers.count("challenge_not_found") == 10
    assert len(world.events()) == 1


def test_nothing_is_created_for_a_challenge_that_redis_has_lost(world: World) -> None:
    challenges = world.challenges()
    opened = world.run(challenges.open("ada@example.test", "en"))
    right = world.run(challenges.attempt(opened.challenge_id, opened.code or "", key("ada")))
    assert isinstance(right, Right)
    world.command("FLUSHALL")
    answer = world.run(
        world.sessions().create(
            opened.challenge_id, right, user_id="u1", public_key=key("ada"), time_zone="UTC"
        )
    )
    assert answer == "challenge_not_found"
    assert world.command("DBSIZE") == 0


@pytest.mark.parametrize("of", ["user", "address"])
def test_a_block_that_comes_while_the_user_service_is_asked_wins(world: World, of: str) -> None:
    challenges = world.challenges()
    opened = world.run(challenges.open("ada@example.test", "en"))
    right = world.run(challenges.attempt(opened.challenge_id, opened.code or "", key("ada")))
    assert isinstance(right, Right)
    blocks = world.blocks()
    world.run(
        blocks.block_user("u1", "abuse", "a")
        if of == "user"
        else blocks.block_address(right.address, "abuse", "a")
    )
    answer = world.run(
        world.sessions().create(
            opened.challenge_id, right, user_id="u1", public_key=key("ada"), time_zone="UTC"
        )
    )
    assert answer == "blocked_by_policy"
    assert world.events() == []


def test_a_confirm_and_a_block_at_the_same_time_leave_no_active_session(world: World) -> None:
    challenges, sessions, blocks = world.challenges(), world.sessions(), world.blocks()
    opened = world.run(challenges.open("ada@example.test", "en"))
    right = world.run(challenges.attempt(opened.challenge_id, opened.code or "", key("ada")))
    assert isinstance(right, Right)

    async def race() -> None:
        await asyncio.gather(
            sessions.create(opened.challenge_id, right, user_id="u1", public_key=key("ada"), time_zone="UTC"),
            blocks.block_user("u1", "abuse", "a"),
        )

    world.run(race())
    assert world.command("ZCARD", "authsession:user-active:u1") == 0


def test_pages_are_newest_first_and_complete(world: World) -> None:
    sessions = world.sessions()
    ids = [world.sign_in(f"ada{n}") for n in range(7)]
    for size in (1, 2, 3, 7, 100):
        found: list[str] = []
        cursor = None
        while True:
            page = world.run(sessions.page("u1", size, cursor))
            assert len(page.sessions) <= size
            found += [session.device_session_id for session in page.sessions]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == ids[::-1]


def test_a_session_that_is_created_meanwhile_moves_no_page(world: World) -> None:
    sessions = world.sessions()
    ids = [world.sign_in(f"ada{n}") for n in range(4)]
    first = world.run(sessions.page("u1", 2, None))
    world.sign_in("later")
    second = world.run(sessions.page("u1", 2, first.next_cursor))
    assert [session.device_session_id for session in second.sessions] == ids[1::-1]


@pytest.mark.parametrize("cursor", ["x", "czEu", "MQ", "czEuMQ=", "czEuLTE", "czEuMDE", "ü", "czEuMQ\n"])
def test_a_cursor_that_no_page_gave_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        world.run(world.sessions().page("u1", 2, cursor))


def test_revoked_sessions_are_forgotten_after_their_time(world: World) -> None:
    sessions = world.sessions(retention_ms=40_000)
    old, new = world.sign_in("ada1", sessions=sessions), world.sign_in("ada2", sessions=sessions)
    world.run(sessions.revoke(old, "lost_device", "a"))
    for name in (f"authsession:session:{old}", f"gateway:session:{old}"):
        assert 39_000 < world.command("PTTL", name) <= 40_000
    for name in (f"authsession:session:{new}", f"gateway:session:{new}", "authsession:user-sessions:u1"):
        assert world.command("PTTL", name) == -1
    world.command("DEL", f"authsession:session:{old}")
    page = world.run(sessions.page("u1", 1, None))
    assert [session.device_session_id for session in page.sessions] == [new]
    assert page.next_cursor is None
    assert world.command("ZCARD", "authsession:user-sessions:u1") == 1


def test_the_list_of_a_user_without_active_sessions_expires_and_lives_again(world: World) -> None:
    sessions = world.sessions(retention_ms=40_000)
    world.run(sessions.revoke(world.sign_in("ada1", sessions=sessions), "lost_device", "a"))
    assert 39_000 < world.command("PTTL", "authsession:user-sessions:u1") <= 40_000
    world.sign_in("ada2", sessions=sessions)
    assert world.command("PTTL", "authsession:user-sessions:u1") == -1


def test_a_new_session_clears_away_the_places_of_expired_ones(world: World) -> None:
    sessions = world.sessions()
    gone = [world.sign_in(f"ada{n}") for n in range(3)]
    for device_session_id in gone:
        world.run(sessions.revoke(device_session_id, "r", "a"))
        world.command("DEL", f"authsession:session:{device_session_id}")
    kept = world.sign_in("ada")
    assert world.command("ZRANGE", "authsession:user-sessions:u1", 0, -1) == [kept.encode()]


def test_the_event_stream_is_bounded(world: World) -> None:
    world.run(world.redis.pipeline([("XADD", "gateway:session-events", "*", "event", "x")] * 2500))
    world.sign_in("ada")
    assert world.command("XLEN", "gateway:session-events") < 1200


def test_an_active_session_has_no_revocation(world: World) -> None:
    session = world.run(world.sessions().get(world.sign_in("ada")))
    assert session is not None
    assert (session.revoked_at_ms, session.revoke_reason, session.revoked_by) == (UNSET, UNSET, UNSET)


def test_the_published_schemas_are_schemas_and_can_fail() -> None:
    jsonschema_rs.meta.validate(SCHEMAS)
    with pytest.raises(jsonschema_rs.ValidationError):
        check("session", {"device_session_id": "s_1"})
