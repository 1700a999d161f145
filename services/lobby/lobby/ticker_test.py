import asyncio

from servicekit.testing.waiting import until

from lobby.lifecycle_test import STOP_JOBS
from lobby.testing.api import OWNER, Api, draft
from lobby.testing.world import World


def end_enrollment(world: World) -> None:
    world.sql("UPDATE games SET enrollment_ends_at_ms = now_ms() WHERE status = 'enrollment_open'")


def test_enrolment_ends_by_itself(api: Api, world: World) -> None:
    enough, few, later = api.open(), api.open(), api.open()
    api.enrol(enough, "ada", "bob")
    api.enrol(few, "cyd")
    world.messages()
    world.sql("UPDATE games SET enrollment_ends_at_ms = now_ms() WHERE game_id <> $1", later)
    world.tick()
    assert [api.status(game) for game in (enough, few, later)] == [
        "ready_to_start",
        "cancelled",
        "enrollment_open",
    ]
    ready, cancelled = world.messages()
    if ready.fields["notification_type"] != "lobby.game_ready":
        ready, cancelled = cancelled, ready
    assert (ready.recipients, ready.fields["request_id"]) == ([OWNER], f"timer:{enough}")
    assert cancelled.fields["notification_type"] == "lobby.game_cancelled"
    # It was not the owner who did it.
    assert cancelled.recipients == ["cyd", OWNER]
    assert "ended_at_ms" in api.game(few)


def test_a_start_without_a_result_fails_and_is_stopped(api: Api, world: World) -> None:
    game_id, other = api.starting(), api.starting()
    world.messages()
    world.sql(
        "UPDATE games SET start_requested_at_ms = start_requested_at_ms - 59000 WHERE game_id = $1", other
    )
    world.sql(
        "UPDATE games SET start_requested_at_ms = start_requested_at_ms - 60000 WHERE game_id = $1", game_id
    )
    world.tick()
    assert (api.status(game_id), api.status(other)) == ("start_failed", "starting")
    assert api.game(game_id)["start_error_code"] == "start_timeout"
    stop, told = world.messages()
    assert (stop.stream, stop.fields["reason"]) == (STOP_JOBS, "start_timeout")
    assert told.payload["error_code"] == "start_timeout"
    assert api.done(api.do(game_id, "start"))["status"] == "starting"


def test_invites_expire(api: Api, world: World) -> None:
    game_id = api.open(visibility="private")
    for user in ("ada", "bob"):
        api.done(api.invite(game_id, user))
    world.sql("UPDATE invites SET expires_at_ms = now_ms() WHERE invitee_user_id = 'ada'")
    world.tick()
    rows = world.sql("SELECT status, decided_at_ms = expires_at_ms AS on_time FROM invites ORDER BY position")
    assert rows == [{"status": "expired", "on_time": True}, {"status": "pending", "on_time": None}]


def test_instances_that_tick_together_do_everything_once(api: Api, world: World) -> None:
    games = [api.open() for _ in range(6)]
    for game in games[:3]:
        api.enrol(game, "ada", "bob")
    world.messages()
    end_enrollment(world)
    world.together(*(world.ticker.tick() for _ in range(4)))
    kinds = sorted(message.fields["idempotency_key"] for message in world.messages())
    assert kinds == sorted(
        [f"lobby.game_ready:{game}" for game in games[:3]]
        + [f"lobby.game_cancelled:{game}" for game in games[3:]]
    )


def test_a_game_that_another_holds_is_left_to_it(api: Api, world: World) -> None:
    held, free = api.open(), api.open()
    end_enrollment(world)

    async def work() -> None:
        async with world.database.transaction() as connection:
            await connection.execute("SELECT FROM games WHERE game_id = $1 FOR UPDATE", held)
            await world.ticker.tick()

    world.run(work())
    assert (api.status(held), api.status(free)) == ("enrollment_open", "cancelled")
    world.tick()
    assert api.status(held) == "cancelled"


def test_it_goes_on_for_ever(api: Api, world: World) -> None:
    async def work() -> None:
        task = asyncio.create_task(world.ticker.run())
        for _ in ("once", "again"):
            document = await api.request("POST", "/api/v1/games", OWNER, draft())
            game_id = document.document["game_id"]
            await api.doing(game_id, "open-enrollment")
            await world.database.execute("UPDATE games SET enrollment_ends_at_ms = now_ms()")

            async def cancelled(game_id: str = game_id) -> bool:
                status = await world.database.fetchval("SELECT status FROM games WHERE game_id = $1", game_id)
                return bool(status == "cancelled")

            done: bool = await until("the game is cancelled", cancelled)
            assert done
        task.cancel()

    world.run(work())
