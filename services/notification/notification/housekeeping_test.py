import asyncio

from servicekit.testing.waiting import until

from notification.housekeeping import BATCH, Housekeeping
from notification.testing.samples import fields
from notification.testing.world import World

GAME = "lobby.game_started"


def housekeeping(world: World, retention_ms: int = 1000) -> Housekeeping:
    return Housekeeping(world.database, world.metrics, retention_ms=retention_ms, interval_ms=10)


def age(world: World) -> None:
    """Everything that is there happened long ago."""
    world.run(world.database.execute("UPDATE intents SET received_at_ms = 1"))
    world.run(world.database.execute("UPDATE routes SET finished_at_ms = 1 WHERE finished_at_ms IS NOT NULL"))


def keys(world: World) -> list[str]:
    return [row["idempotency_key"] for row in world.rows("SELECT idempotency_key FROM intents ORDER BY 1")]


def test_what_was_finished_long_ago_is_forgotten_with_all_that_belongs_to_it(world: World) -> None:
    instance = world.instance()
    world.run(instance.take(fields(GAME, idempotency_key="old")))
    world.run(instance.take(fields(GAME, idempotency_key="old", occurred_at_ms="5")))
    age(world)
    world.run(instance.take(fields(GAME, idempotency_key="new")))
    assert world.run(housekeeping(world, 60_000).prune()) == 1
    assert keys(world) == ["new"]
    assert len(world.rows("SELECT 1 FROM routes")) == 1
    assert world.rows("SELECT 1 FROM intent_conflicts") == []


def test_what_was_received_long_ago_and_finished_just_now_stays(world: World) -> None:
    instance = world.instance()
    world.run(instance.take(fields(GAME)))
    world.run(world.database.execute("UPDATE intents SET received_at_ms = 1"))
    assert world.run(housekeeping(world, 60_000).prune()) == 0


def test_what_is_not_finished_stays_however_old(world: World) -> None:
    instance = world.instance(max_attempts=1)
    world.command("SET", "gateway:client-events", "no stream")
    world.run(instance.take(fields(GAME, idempotency_key="dead")))
    world.command("DEL", "gateway:client-events")
    world.run(instance.take(fields("lobby.invite_created", idempotency_key="pending")))
    age(world)
    assert world.run(housekeeping(world).prune()) == 0
    assert keys(world) == ["dead", "pending"]
    world.run(
        world.database.execute(
            "UPDATE routes SET state = 'discarded', finished_at_ms = 1 WHERE state = 'dead'"
        )
    )
    assert world.run(housekeeping(world).prune()) == 1
    assert world.rows("SELECT 1 FROM dead_letters") == []
    assert keys(world) == ["pending"]


def test_a_key_that_was_forgotten_is_new_again(world: World) -> None:
    instance = world.instance(remember_ms=1)
    world.run(instance.take(fields(GAME)))
    age(world)
    world.run(housekeeping(world).prune())
    assert world.run(instance.take(fields(GAME, occurred_at_ms="5"))) == [""]
    assert keys(world) == ["key-1"]


def test_more_than_one_statement_takes_is_forgotten_at_once(world: World) -> None:
    instance = world.instance()
    many = [fields(GAME, idempotency_key=f"k-{n}") for n in range(BATCH + 1)]
    world.run(instance.take(*many))
    age(world)
    assert world.run(housekeeping(world).prune()) == BATCH + 1


def test_who_was_unblocked_long_ago_is_forgotten_and_who_is_blocked_is_not(world: World) -> None:
    world.run(
        world.database.execute("INSERT INTO user_states VALUES ('u-1', 'active', 1), ('u-2', 'blocked', 1)")
    )
    world.run(housekeeping(world).prune())
    assert [row["user_id"] for row in world.rows("SELECT user_id FROM user_states")] == ["u-2"]


def test_it_counts_what_waits_and_what_is_dead_again_and_again(world: World) -> None:
    instance = world.instance(max_attempts=1)
    world.command("SET", "gateway:client-events", "no stream")

    async def life() -> None:
        running = asyncio.create_task(housekeeping(world, 60_000).run())
        await instance.take(fields("lobby.invite_created", recipient_user_ids=["u-1", "u-2"]))
        wanted = (
            'notification_routes_pending{channel="email"} 2',
            'notification_routes_pending{channel="push"} 0',
            'notification_dead_letters_open{channel="push"} 2',
        )
        await until("the counts", lambda: all(line in world.metrics.render().decode() for line in wanted))
        await world.database.close()
        running.cancel()

    world.run(life())
