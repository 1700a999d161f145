"""Dependencies: what is asked, what is answered, what is logged."""

import asyncio
import json
import logging

import pytest

from servicekit.admin import admin_router
from servicekit.conftest import exchange, serving
from servicekit.health import Health
from servicekit.metrics import Registry


class Away:
    """A dependency that can be switched off."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.asked = 0
        self.hold: asyncio.Event | None = None

    async def __call__(self) -> None:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.problem is not None:
            raise self.problem


def test_only_changes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics = Registry()
    dependency = Health(metrics).dependency("redis", Away())
    gauge = metrics.gauge("dependency_up", "", ("dependency",))
    dependency.up()
    for reason in ("refused", "refused", "reset"):
        dependency.down(reason)
    assert (dependency.available, dependency.reason, gauge.value("redis")) == (False, "reset", 0)
    dependency.up()
    dependency.up()
    assert (dependency.available, gauge.value("redis")) == (True, 1)
    assert [(record.levelname, record.msg) for record in caplog.records] == [
        ("WARNING", "dependency_unavailable"), ("INFO", "dependency_available"),
    ]  # fmt: skip


def test_readiness_names_every_dependency() -> None:
    async def go() -> None:
        health = Health(Registry())
        good, bad = Away(), Away()
        bad.problem = ConnectionError("refused by ada@example.test")
        health.dependency("good", good)
        health.dependency("bad", bad)
        readiness = await health.readiness()
        assert readiness.status == "unavailable"
        assert readiness.dependencies["good"].status == "ok"
        assert readiness.dependencies["bad"].reason == "refused by [email]"
        bad.problem = None
        assert (await health.readiness()).status == "ready"
        health.stopping = True
        assert (await health.readiness()).status == "unavailable"

    asyncio.run(go())


def test_a_dependency_that_does_not_answer_is_not_waited_for() -> None:
    async def go() -> None:
        health = Health(Registry(), timeout_s=0.02)
        silent = Away()
        silent.hold = asyncio.Event()
        health.dependency("silent", silent)
        assert (await health.readiness()).dependencies["silent"].reason == "no answer within 0.02 s"

    asyncio.run(go())


def test_callers_at_the_same_time_ask_once() -> None:
    async def go() -> None:
        health = Health(Registry())
        slow = Away()
        slow.hold = asyncio.Event()
        health.dependency("slow", slow)
        callers = [asyncio.create_task(health.readiness()) for _ in range(5)]
        await asyncio.sleep(0)
        callers[0].cancel()  # one that leaves does not take the answer with it
        slow.hold.set()
        results = await asyncio.gather(*callers[1:])
        assert {result.status for result in results} == {"ready"}
        assert slow.asked == 1
        await health.readiness()
        assert slow.asked == 2

    asyncio.run(go())


def test_a_name_is_registered_once() -> None:
    health = Health(Registry())
    health.dependency("a", Away())
    with pytest.raises(ValueError, match="twice"):
        health.dependency("a", Away())


def test_the_admin_listener_answers_as_published() -> None:
    metrics = Registry()
    health = Health(metrics)
    away = Away()
    health.dependency("redis", away)

    async def ask(path: str) -> tuple[int, bytes]:
        async with serving(admin_router(health, metrics)) as (_, port):
            answer = await exchange(
                port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    async def go() -> None:
        assert await ask("/healthz") == (200, b'{"status":"ok"}')
        assert await ask("/readyz") == (200, b'{"status":"ready","dependencies":{"redis":{"status":"ok"}}}')
        away.problem = OSError("gone")
        status, body = await ask("/readyz")
        expected = {
            "status": "unavailable",
            "dependencies": {"redis": {"status": "unavailable", "reason": "gone"}},
        }
        assert (status, json.loads(body)) == (503, expected)
        status, body = await ask("/metrics")
        assert status == 200
        assert b'dependency_up{dependency="redis"} 0' in body.splitlines()

    asyncio.run(go())
