"""Mail leaves in the background: the answer to a sign-in must not show whether, or how slowly, a mail is sent."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from servicekit import logs
from servicekit.health import Dependency
from servicekit.metrics import Registry

from authsession.mail import LoginCode, Mail, MailError

_log = logs.get("authsession.delivery")

_DRAIN_PAUSE_S: Final = 0.1
"""The longest pause between two tries while the service stops: there is no later."""

_LAST_S: Final = 0.5
"""How long the end of the process waits for a mail that came after the drain."""


class QueueFullError(Exception):
    """As many mails wait as may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How deliveries go: codes' lifetime, pauses (all in seconds), how many may wait, how many are sent at a time."""

    lifetime_s: float
    first_pause_s: float
    longest_pause_s: float
    capacity: int
    concurrency: int


class Place:
    """A place in the queue, taken before it is known whether there is a mail to send. Given back by leaving it."""

    def __init__(self, queue: "Deliveries") -> None:
        self._queue = queue

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.release()

    def send(self, mail: LoginCode) -> None:
        """Starts the delivery; it takes a place of its own."""
        self._queue.start(mail)


class Deliveries:
    """The mails on their way, in memory alone: a code is nowhere else in the clear.

    A mail is tried until it is accepted, refused for good, or its code has expired; pauses double, with jitter. A process
    that is killed loses the mails it has: their owners ask again after a minute.
    """

    def __init__(self, mail: Mail, rules: Rules, health: Dependency, metrics: Registry) -> None:
        self._mail = mail
        self._rules = rules
        self._health = health
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = 0
        self._sending = asyncio.Semaphore(rules.concurrency)
        self._draining = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._outcomes = metrics.counter(
            "authsession_mail_deliveries_total", "Mails by what became of them", labels=("outcome",)
        )
        self._waiting = metrics.gauge("authsession_mail_deliveries_waiting", "Mails on their way")

    async def __aenter__(self) -> "Deliveries":
        return self

    async def __aexit__(self, *_: object) -> None:
        # The listeners drain at the same time as the queue: a last request may have added to it after that.
        await self.drain(_LAST_S)

    def reserve(self) -> Place:
        """A place for one mail. Raises QueueFullError."""
        if self._places >= self._rules.capacity:
            raise QueueFullError
        self._take()
        return Place(self)

    def start(self, mail: LoginCode) -> None:
        """Delivers in the background."""
        self._take()
        task = asyncio.create_task(self._deliver(mail), name="mail-delivery")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        self._waiting.set(len(self._tasks))

    def release(self) -> None:
        """Gives a place back."""
        self._places -= 1
        self._waiting.set(len(self._tasks))
        if self._places == 0:
            self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Ends the pauses and waits until nothing is on its way, at most so long; then gives up what is left."""
        self._draining.set()
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._empty.wait()
        except TimeoutError:
            await self.close()

    async def close(self) -> None:
        """Gives up what is on its way."""
        left = list(self._tasks)
        if not left:
            return
        _log.warning("mail_deliveries_abandoned", count=len(left))
        self._outcomes.inc("abandoned", by=len(left))
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _take(self) -> None:
        self._places += 1
        self._empty.clear()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("mail_delivery_crashed", error_type=type(error).__name__)

    async def _deliver(self, mail: LoginCode) -> None:
        expires = time.monotonic() + self._rules.lifetime_s
        pause = self._rules.first_pause_s
        while True:
            outcome = await self._try(mail, expires)
            if outcome is not None:
                self._outcomes.inc(outcome)
                return
            await self._pause(min(pause * random.uniform(0.5, 1.0), expires - time.monotonic()))  # noqa: S311
            pause = min(pause * 2, self._rules.longest_pause_s)

    async def _try(self, mail: LoginCode, expires: float) -> str | None:
        """What became of the mail; None when it is to be tried again."""
        async with self._sending:
            if time.monotonic() >= expires:
                _log.info("mail_delivery_expired")
                return "expired"
            try:
                await self._mail.send(mail)
            except MailError as error:
                if error.retryable:
                    self._health.down(str(error))
                    return None
                self._health.up()
                _log.warning("mail_delivery_refused", reason=str(error))
                return "refused"
        self._health.up()
        return "accepted"

    async def _pause(self, seconds: float) -> None:
        if self._draining.is_set():
            await asyncio.sleep(min(seconds, _DRAIN_PAUSE_S))
            return
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._draining.wait()
        except TimeoutError:
            return
