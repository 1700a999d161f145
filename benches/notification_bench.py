"""How many notification intents a second go through push, and how soon is one there?"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from contracts.notification.intents import intent
from contracts.notification.service import DATABASE, NOTIFICATION
from contracts.streams import schema
from seatrial import Environment
from series import Target
from tail import Tail

if TYPE_CHECKING:
    import redis

BURST = 500
BURSTS = 20
RATE = 200
INTENTS = 2000
_SILENCE_S = 30.0


class Notified:
    """One running notification service, seen from both ends."""

    def __init__(self, environment: Environment) -> None:
        store = environment.valkey
        self.writer = store.client()
        self._pushes = Tail(store.client(), schema.CLIENT_EVENTS)
        environment.start(
            NOTIFICATION,
            environment={
                "NOTIFICATION_POSTGRES_DSN": environment.postgres.database(DATABASE).dsn,
                "NOTIFICATION_REDIS_URL": store.url,
                "NOTIFICATION_USER_URL": "http://127.0.0.1:1",
                "NOTIFICATION_ADMIN_EMAILS": "admin@example.test",
            },
        )

    def pushed(self, count: int) -> Iterator[tuple[str, float]]:
        """The users of the next pushes and the times at which they were seen, as they come."""
        for fields, at in self._pushes.take(count, within=_SILENCE_S):
            yield fields["user_id"], at


@pytest.fixture
def notification(environment: Environment) -> Notified:
    """The service, warmed by its first intents."""
    running = Notified(environment)
    _write(running.writer, (f"warm-{number}" for number in range(BURST)))
    assert len(list(running.pushed(BURST))) == BURST
    return running


def _write(client: "redis.Redis", users: Iterator[str]) -> None:
    """One intent for each user, in one round trip."""
    with client.pipeline(transaction=False) as pipeline:
        for user in users:
            fields: Any = intent(recipients=(user,))
            pipeline.xadd(schema.INTENTS, fields)
        pipeline.execute()


def test_bursts(
    notification: Notified, record: Any, rounds: Callable[[int], Iterator[int]], clock: Any
) -> None:
    """Written at once, until the last push is there: the inverse of what one instance can do at most."""
    samples = []
    for burst in rounds(BURSTS):
        users = [f"user-{burst}-{number}" for number in range(BURST)]
        started = clock()
        _write(notification.writer, iter(users))
        assert [user for user, _ in notification.pushed(BURST)] == users
        samples.append(clock() - started)
    record(f"{BURST} intents to {BURST} pushes", "one instance", samples, Target(p50=1000))


def test_a_steady_stream(notification: Notified, record: Any, rounds: Callable[[int], Iterator[int]]) -> None:
    """From before the XADD of an intent until a reader has its push, at a fixed rate whether or not the service keeps up."""
    numbers = list(rounds(INTENTS))
    sent: dict[str, float] = {}
    never = threading.Event()

    def produce() -> None:
        begun = time.monotonic()
        for number in numbers:
            never.wait(max(begun + number / RATE - time.monotonic(), 0))
            user = f"steady-{number}"
            sent[user] = time.monotonic()
            _write(notification.writer, iter((user,)))

    producer = threading.Thread(target=produce, name="producer")
    producer.start()
    try:
        seen = list(notification.pushed(len(numbers)))
    finally:
        producer.join()
    samples = [(at - sent[user]) * 1000 for user, at in seen]
    assert len({user for user, _ in seen}) == len(numbers)
    record(f"intent to push, {RATE} a second", "one instance", samples, Target(p99=250))
