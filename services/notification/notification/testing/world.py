"""Everything that the service needs, in the test's process, and the service's own parts on it."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from servicekit.client import HttpClient
from servicekit.health import Health
from servicekit.metrics import Registry
from servicekit.postgres import Database, Record
from servicekit.redis import Redis
from servicekit.streams import Entry
from servicekit.testing.loop import Loop
from servicekit.testing.waiting import INTERVAL_S

from notification import mail, push
from notification.budget import Budget
from notification.intake import Intake
from notification.lanes import Lane
from notification.ledger import Ledger
from notification.mail import Mail
from notification.publishing import Publisher
from notification.push import Push
from notification.routes import Routes
from notification.screening import screened
from notification.service import MIGRATIONS
from notification.templates import Templates
from notification.testing.samples import CATALOGUE
from notification.testing.user_service import UserService
from notification.users import Users

T = TypeVar("T")

ADMINS = ("ops@example.test", "ada@example.test")


class Parts:
    """The parts of one instance. Nothing runs by itself: a test takes in, and attempts, step by step."""

    def __init__(
        self,
        world: "World",
        *,
        lease_ms: int = 60_000,
        max_attempts: int = 3,
        backoff_ms: int = 0,
        remember_ms: int = 60_000,
        admins: Sequence[str] = ADMINS,
    ) -> None:
        self.metrics = Registry()
        self.routes = Routes(world.database, lease_ms=lease_ms)
        client = HttpClient(world.user_url, timeout=0.5)
        world.enter(client)
        self.users = Users(client, world.health.dependency(f"user-{len(world.parts)}", world.redis.ping))
        self.push = Push(Publisher(world.redis, push.STREAM, max_length=10_000, remember_ms=remember_ms))
        self.templates = Templates(CATALOGUE)
        self.mail = Mail(
            users=self.users,
            publisher=Publisher(world.redis, mail.STREAM, max_length=10_000, remember_ms=remember_ms),
            templates=self.templates,
            admins=admins,
            admin_locale="de-AT",
            clock=lambda: 1790000000999,
        )
        budget = Budget(max_attempts=max_attempts, first_ms=backoff_ms, most_ms=backoff_ms)
        self.pushes = Lane(
            "push",
            self.routes,
            screened(world.database, self.push.deliver),
            budget,
            workers=1,
            batch=100,
            poll_ms=20,
            metrics=self.metrics,
        )
        self.mails = Lane(
            "email",
            self.routes,
            screened(world.database, self.mail.deliver),
            budget,
            workers=2,
            batch=10,
            poll_ms=20,
            metrics=self.metrics,
        )
        self.ledger = Ledger(world.database, CATALOGUE, admins=admins, lease_ms=lease_ms)
        self.intake = Intake(
            CATALOGUE, self.ledger, self.push, pushes=self.pushes, mails=self.mails, metrics=self.metrics
        )
        self.taken = 0

    async def take(self, *entries: dict[str, bytes]) -> list[str]:
        """Take entries in, in one batch; gives each one's reason to be set aside, "" for none."""
        batch = []
        for fields in entries:
            self.taken += 1
            batch.append(Entry(f"{self.taken}-0", fields))
        refused = await self.intake.handle(batch)
        return [refused.get(entry.id, "") for entry in batch]

    async def attempt(self, lane: Lane) -> int:
        """Attempt once what is due on a lane; gives how many routes."""
        routes = await self.routes.claim(lane.channel, 100)
        if routes:
            await lane.settle(routes, await lane.attempt(routes))
        return len(routes)


class World(Loop):
    """An event loop, an empty Postgres and Redis, and the user service."""

    def __init__(self, runner: asyncio.Runner, dsn: str, redis_url: str) -> None:
        super().__init__(runner)
        self.dsn = dsn
        self.redis_url = redis_url
        self.metrics = Registry()
        self.health = Health(self.metrics)
        self.database = self.enter(Database(dsn, migrations=MIGRATIONS, name="notification-test"))
        self.redis = self.enter(Redis(redis_url))
        self.users = UserService()
        self.user_url = self.enter(self.users).url
        self.parts: list[Parts] = []

    def instance(self, **rules: Any) -> Parts:
        """The parts of one more instance."""
        self.parts.append(Parts(self, **rules))
        return self.parts[-1]

    def wait(self, what: str, condition: Callable[[], T], *, timeout: float = 15.0) -> T:
        """Wait until a condition that uses this world gives something true, and give that, as servicekit's until does.

        Raises AssertionError with what was awaited and what was last seen.
        """
        end = time.monotonic() + timeout
        while not (seen := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout:g} s: {what}; last seen: {seen!r}")
            self.run(asyncio.sleep(INTERVAL_S))
        return seen

    def command(self, *words: str | bytes | int) -> Any:
        """A Redis command."""
        return self.run(self.redis.execute(*words))

    def rows(self, sql: str, *arguments: object) -> list[Record]:
        """The rows of a statement."""
        return self.run(self.database.fetch(sql, *arguments))

    def states(self) -> list[tuple[str, str, str, str]]:
        """Channel, recipient, state and error code of every route, in the order that they were made."""
        rows = self.rows("SELECT channel, recipient, state, error_code FROM routes ORDER BY id")
        return [tuple(row.values()) for row in rows]

    def entries(self, stream: str) -> list[dict[str, str]]:
        """The entries of a stream."""
        found = []
        for _, flat in self.command("XRANGE", stream, "-", "+"):
            texts = [item.decode() for item in flat]
            found.append(dict(zip(texts[::2], texts[1::2], strict=True)))
        return found

    def pushes(self) -> list[dict[str, str]]:
        """The entries of gateway:client-events."""
        return self.entries(push.STREAM)

    def mails(self) -> list[dict[str, str]]:
        """The entries of mail:delivery_commands."""
        return self.entries(mail.STREAM)


def content(event: dict[str, str]) -> dict[str, Any]:
    """What an entry of gateway:client-events carries."""
    decoded: dict[str, Any] = json.loads(base64.b64decode(event["payload"]))
    return decoded


@contextmanager
def running(dsn: str, redis_url: str) -> Iterator[World]:
    """A world, closed afterwards."""
    with asyncio.Runner() as runner:
        world = World(runner, dsn, redis_url)
        try:
            yield world
        finally:
            world.close()
