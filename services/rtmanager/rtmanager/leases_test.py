import asyncio

import pytest
from servicekit.testing.waiting import until

from rtmanager.conftest import World
from rtmanager.leases import LeaseLost

KEY = "rtmanager:lease:g1"


def test_one_holds_it_at_a_time(world: World) -> None:
    first, second = world.leases(), world.leases(instance="two", life="b")
    lease = world.lease(leases=first)
    assert world.run(first.acquire("g1")) is None
    assert world.run(second.acquire("g1")) is None
    assert world.run(second.acquire("g2")) is not None
    world.run(first.release(lease))
    assert world.run(second.acquire("g1")) is not None


def test_tokens_only_grow_also_when_redis_has_lost_everything(world: World) -> None:
    leases = world.leases()
    tokens = []
    for _ in range(3):
        lease = world.run(leases.acquire("g1"))
        assert lease is not None
        tokens.append(lease.token)
        world.run(leases.release(lease))
        world.run(world.redis.execute("FLUSHALL"))
    assert tokens == sorted(set(tokens))


def test_the_next_life_of_an_instance_takes_over_what_its_former_one_held(world: World) -> None:
    world.lease(leases=world.leases(instance="one", life="a"))
    assert world.run(world.leases(instance="two", life="c").acquire("g1")) is None
    assert world.run(world.leases(instance="one", life="a").acquire("g1")) is None
    assert world.run(world.leases(instance="one", life="b").acquire("g1")) is not None


def test_it_is_renewed_while_it_is_held(world: World) -> None:
    leases = world.leases(seconds=0.3)
    lease = world.lease(leases=leases)

    async def outlive() -> None:
        for _ in range(3):
            await until("it runs on", lambda: _left(world, 0, 200))
            await until("it is renewed", lambda: _left(world, 200, 300))
            lease.check()

    world.run(outlive())
    assert world.metrics.counter("rtmanager_leases_lost_total", "").value() == 0


async def _left(world: World, least: int, most: int) -> bool:
    left: int = await world.redis.execute("PTTL", KEY)
    return least < left <= most


def test_one_that_another_has_taken_is_lost(world: World) -> None:
    lease = world.lease(leases=world.leases(seconds=0.3))
    world.run(world.redis.execute("SET", KEY, "two/b/999"))

    async def noticed() -> None:
        lost = world.metrics.counter("rtmanager_leases_lost_total", "")
        await until("the loss is seen", lambda: lost.value() == 1)

    world.run(noticed())
    with pytest.raises(LeaseLost):
        lease.check()


def test_one_that_ran_out_is_lost_though_nobody_could_tell(world: World) -> None:
    lease = world.run(world.leases(seconds=0.1).acquire("g1"))  # not entered: never renewed
    assert lease is not None
    lease.check()

    async def ran_out() -> None:
        await until("it has ended", lambda: _gone(world))

    world.run(ran_out())
    with pytest.raises(LeaseLost):
        lease.check()


async def _gone(world: World) -> bool:
    return not await world.redis.execute("EXISTS", KEY)


def test_what_was_lost_is_not_released_from_under_the_new_holder(world: World) -> None:
    leases = world.leases()
    lease = world.run(leases.acquire("g1"))
    assert lease is not None
    world.run(world.redis.execute("SET", KEY, "two/b/999"))
    world.run(leases.release(lease))
    assert world.run(world.redis.execute("GET", KEY)) == b"two/b/999"


def test_of_many_who_ask_at_once_one_gets_it(world: World) -> None:
    everybody = [world.leases(instance=f"i{number}", life=f"l{number}") for number in range(8)]

    async def ask() -> list[object]:
        return list(await asyncio.gather(*(leases.acquire("g1") for leases in everybody)))

    assert sum(lease is not None for lease in world.run(ask())) == 1
