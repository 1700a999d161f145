"""Attempts, budgets, claims: what the lanes do, with real stores, step by step or running."""

import asyncio
from collections.abc import Sequence

import pytest
from servicekit.testing.waiting import until

from notification import mail, push
from notification.ledger import Arrival
from notification.routes import Claimed, Delivered, Result
from notification.testing.samples import fields, intent
from notification.testing.world import World

GAME = "lobby.game_started"
INVITE = "lobby.invite_created"


def arrival() -> Arrival:
    """An intent with one push."""
    return Arrival("1-0", intent(GAME))


def break_stream(world: World, stream: str) -> None:
    """XADD to it is refused from now on."""
    world.command("DEL", stream)
    world.command("SET", stream, "no stream")


def test_a_refused_push_is_tried_again_and_delivered(world: World) -> None:
    instance = world.instance()
    break_stream(world, push.STREAM)
    world.run(instance.take(fields(GAME)))
    ((_, _, state, error),) = world.states()
    assert (state, error) == ("pending", "publish_refused")
    world.command("DEL", push.STREAM)
    assert world.run(instance.attempt(instance.pushes)) == 1
    assert world.states() == [("push", "u-1", "delivered", "")]
    assert len(world.pushes()) == 1


def test_a_push_is_given_up_when_its_budget_is_used_up(world: World) -> None:
    instance = world.instance(max_attempts=3)
    break_stream(world, push.STREAM)
    world.run(instance.take(fields(GAME)))
    assert [world.run(instance.attempt(instance.pushes)) for _ in range(3)] == [1, 1, 0]
    assert world.states() == [("push", "u-1", "dead", "publish_refused")]
    (dead,) = world.rows("SELECT channel, attempts, error_code, error_message, status FROM dead_letters")
    assert tuple(dead.values())[:3] == ("push", 3, "publish_refused")
    assert dead["error_message"].startswith("WRONGTYPE")


def test_the_budgets_of_the_channels_are_their_own(world: World) -> None:
    world.users.give("u-1", *[(503, {})] * 3)
    instance = world.instance(max_attempts=3)
    world.run(instance.take(fields(INVITE)))
    assert world.states() == [("push", "u-1", "delivered", ""), ("email", "u-1", "pending", "")]
    for _ in range(3):
        world.run(instance.attempt(instance.mails))
    assert world.states() == [
        ("push", "u-1", "delivered", ""),
        ("email", "u-1", "dead", "user_service_unavailable"),
    ]


def test_a_route_in_back_off_is_not_due_and_does_not_hold_up_others(world: World) -> None:
    world.users.give("u-1", (503, {}))
    world.users.add("u-2")
    instance = world.instance(backoff_ms=60_000)
    world.run(instance.take(fields(INVITE, recipient_user_ids=["u-1", "u-2"])))
    assert world.run(instance.attempt(instance.mails)) == 2
    assert [state for _, _, state, _ in world.states()][2:] == ["pending", "delivered"]
    assert world.run(instance.attempt(instance.mails)) == 0
    due = world.run(instance.routes.next_due_ms("email"))
    assert due is not None
    assert 20_000 < due <= 60_000
    assert world.run(instance.routes.next_due_ms("push")) is None


def test_an_outage_of_redis_uses_no_attempt_up(world: World) -> None:
    instance = world.instance(max_attempts=1)
    world.command("CONFIG", "SET", "maxmemory", "1")
    try:
        world.run(instance.take(fields(GAME)))
        world.run(instance.attempt(instance.pushes))
        assert world.states() == [("push", "u-1", "pending", "redis_unavailable")]
    finally:
        world.command("CONFIG", "SET", "maxmemory", "0")
    world.run(instance.attempt(instance.pushes))
    assert world.states() == [("push", "u-1", "delivered", "")]


def test_a_push_that_was_published_and_not_recorded_is_recorded_and_not_doubled(world: World) -> None:
    """The instance dies between Redis and Postgres: its claim runs out, and another one finds the entry there."""
    dying, other = world.instance(lease_ms=0), world.instance()
    accepted = world.run(dying.ledger.accept([arrival()]))
    assert world.run(dying.push.deliver(accepted.pushes)) == [Delivered()]
    assert world.states() == [("push", "u-1", "pending", "")]
    assert world.run(other.attempt(other.pushes)) == 1
    assert world.states() == [("push", "u-1", "delivered", "")]
    assert len(world.pushes()) == 1


def test_a_push_that_was_taken_in_and_not_published_is_published_by_another(world: World) -> None:
    dying, other = world.instance(lease_ms=0), world.instance()
    world.run(dying.ledger.accept([arrival()]))
    assert world.run(other.attempt(other.pushes)) == 1
    assert [event["user_id"] for event in world.pushes()] == ["u-1"]


def test_a_claim_is_its_claimants_until_it_runs_out(world: World) -> None:
    holder, other = world.instance(lease_ms=60_000), world.instance()
    world.run(holder.ledger.accept([arrival()]))
    assert world.run(other.attempt(other.pushes)) == 0


def test_the_last_claimants_word_counts(world: World) -> None:
    slow, quick = world.instance(lease_ms=0, max_attempts=1), world.instance()
    break_stream(world, push.STREAM)
    accepted = world.run(slow.ledger.accept([arrival()]))
    results = world.run(slow.push.deliver(accepted.pushes))
    world.command("DEL", push.STREAM)
    world.run(quick.attempt(quick.pushes))
    world.run(slow.pushes.settle(accepted.pushes, results))
    assert world.states() == [("push", "u-1", "delivered", "")]
    assert world.rows("SELECT 1 FROM dead_letters") == []


def test_two_instances_claim_different_routes(world: World) -> None:
    one, other = world.instance(), world.instance()
    world.users.give("", *[(503, {})] * 40)
    recipients = [f"u-{n}" for n in range(40)]
    world.run(one.take(fields(INVITE, recipient_user_ids=recipients)))
    claimed = world.together(*(each.routes.claim("email", 10) for each in (one, other, one, other)))
    ids = [route.id for part in claimed for route in part]
    assert len(ids) == len(set(ids)) == 40


def test_a_defect_costs_its_own_route_and_no_other(world: World) -> None:
    instance = world.instance(max_attempts=2)

    async def poisoned(routes: Sequence[Claimed]) -> list[Result]:
        if any(route.recipient == "u-poison" for route in routes):
            raise ZeroDivisionError
        return [Delivered() for _ in routes]

    instance.mails.deliver = poisoned
    world.run(instance.take(fields(INVITE, recipient_user_ids=["u-1", "u-poison", "u-2"])))
    for _ in range(2):
        world.run(instance.attempt(instance.mails))
    assert [row[1:] for row in world.states() if row[0] == "email"] == [
        ("u-1", "delivered", ""),
        ("u-poison", "dead", "delivery_failed"),
        ("u-2", "delivered", ""),
    ]


@pytest.mark.parametrize("channel", ["push", "email"])
def test_a_running_lane_retries_by_itself(world: World, channel: str) -> None:
    world.users.add("u-1")
    instance = world.instance(max_attempts=100, backoff_ms=1)
    stream = push.STREAM if channel == "push" else mail.STREAM
    lane = instance.pushes if channel == "push" else instance.mails
    break_stream(world, stream)

    async def life() -> None:
        running = asyncio.create_task(lane.run())
        await instance.take(fields(INVITE))
        outcomes = lane.outcomes
        await until("three failures", lambda: outcomes.value(channel, "failed") >= 3)
        await world.redis.execute("DEL", stream)
        await until("the delivery", lambda: outcomes.value(channel, "delivered") == 1)
        await lane.drain(5)
        await running

    world.run(life())
    assert len(world.entries(stream)) == 1


def test_a_lane_finds_what_another_instance_has_left(world: World) -> None:
    world.users.add("u-1")
    working, taking = world.instance(), world.instance()

    async def life() -> None:
        running = asyncio.create_task(working.mails.run())
        await taking.take(fields(INVITE))
        await until("the delivery", lambda: working.mails.outcomes.value("email", "delivered") == 1)
        await working.mails.drain(5)
        await running

    world.run(life())


def test_the_drain_waits_for_what_is_being_attempted_and_begins_nothing(world: World) -> None:
    instance = world.instance()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(routes: Sequence[Claimed]) -> list[Result]:
        begun.set()
        await go_on.wait()
        return [Delivered() for _ in routes]

    instance.mails.deliver = slow

    async def life() -> None:
        running = asyncio.create_task(instance.mails.run())
        await instance.take(fields(INVITE))
        await begun.wait()
        draining = asyncio.create_task(instance.mails.drain(10))
        await asyncio.sleep(0)
        # The other worker may have been claiming when the drain began; what it asked for then it may take.
        await until("the other worker has ended", lambda: instance.mails._busy == 1)
        await instance.take(fields(INVITE, idempotency_key="late"))
        assert not draining.done()
        go_on.set()
        await draining
        await running

    world.run(life())
    assert [state for channel, _, state, _ in world.states() if channel == "email"] == [
        "delivered",
        "pending",
    ]


def test_the_drain_gives_up_at_its_end(world: World) -> None:
    instance = world.instance()
    begun = asyncio.Event()

    async def stuck(routes: Sequence[Claimed]) -> list[Result]:
        begun.set()
        await asyncio.Event().wait()
        return [Delivered() for _ in routes]

    instance.mails.deliver = stuck

    async def life() -> None:
        running = asyncio.create_task(instance.mails.run())
        await instance.take(fields(INVITE))
        await begun.wait()
        await instance.mails.drain(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    world.run(life())
    assert world.states()[1] == ("email", "u-1", "pending", "")
