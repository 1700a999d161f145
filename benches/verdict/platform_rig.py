"""The platform without containers, and what its users wait for: sign-in, commands, pushes, notifications."""

import functools
import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from contracts.gateway.sessions import open_session
from contracts.lobby import commands
from contracts.lobby.player import Player
from contracts.mail.service import Mail, MailService
from contracts.notification.intents import intent
from contracts.platform import platform as platforms
from contracts.platform.parts import SERVICES, Part
from contracts.streams import schema
from seatrial import Environment, Process
from seatrial.network.stub import Request, Response, route
from tail import Tail
from verdict.catalog import SUBSCRIBERS
from verdict.fan import Fan
from verdict.memory import Footprint, footprint, settled
from verdict.protocol import Reading
from verdict.rig import Measure, Rig, Take, measure, reading, timed

_PARTS: Final[tuple[Part, ...]] = ("gateway", "authsession", "lobby", "notification")
_UNLIMITED: Final = "1000000/1"
_LIMITS: Final = ("COMMAND_IP", "COMMAND_SESSION", "COMMAND_USER", "COMMAND_MESSAGE_TYPE", "SIGNING_KEYS_IP")
_PUSHED_AND_MAILED: Final = "lobby.game_finished"
_PATIENCE_S: Final = 10.0
_LOAD_DEVICES: Final = 8
_LOAD_COMMANDS: Final = 25
_LOAD_INTENTS: Final = 50
_LOAD_SUBSCRIBERS: Final = 50


class PromptMail(MailService):
    """Mailboxes whose owners hear of a mail when it comes: one that looks every few milliseconds would measure its own pauses."""

    name = "mail"

    def __init__(self) -> None:
        super().__init__()
        self._came = threading.Condition(self.lock)  # the one that a stub holds while it answers

    @route("POST", "/api/v1/internal/login-code-deliveries")
    def deliver(self, request: Request) -> Response:
        """As every mail service."""
        answer = super().deliver(request)
        with self._came:
            self._came.notify_all()
        return answer

    def mail_for(self, address: str, number: int = 1) -> Mail:
        """The mail that is `number` in the mailbox of `address`, counted from 1, once it is there. Raises AssertionError."""
        with self._came:
            if not self._came.wait_for(lambda: len(self.mails(address)) >= number, _PATIENCE_S):
                raise AssertionError(f"mail {number} for {address} did not come within {_PATIENCE_S:g} s")
        return self.mails(address)[number - 1]


class PlatformRig(Rig):
    """Four services, each executed cold: a process that is forked from a warm interpreter shares its hash seed and layout."""

    name = "platform"

    def boot(self, environment: Environment, _late: ExitStack) -> Mapping[str, Measure]:
        """The services, and every metric of them."""
        self._platform = platforms.boot(
            environment,
            parts=_PARTS,
            services={part: SERVICES[part].replace(boot="cold") for part in _PARTS},
            settings={"gateway": {f"LIMIT_{name}": _UNLIMITED for name in _LIMITS}},
            mail=PromptMail(),
        )
        self._numbers = itertools.count(1)
        self._rested: dict[Part, Reading] = {}
        self._loaded: dict[Part, Reading] = {}
        return {
            "sign_in": measure(timed(self._sign_in)),
            "command": self._command,
            **{f"push_{count}": functools.partial(self._push, count) for count in SUBSCRIBERS},
            "intent_push": functools.partial(self._intent, schema.CLIENT_EVENTS),
            "intent_mail": functools.partial(self._intent, schema.MAIL_COMMANDS),
            **{f"memory_rest_{part}": measure(functools.partial(self._at_rest, part)) for part in _PARTS},
            **{f"memory_load_{part}": functools.partial(self._under_load, part) for part in _PARTS},
        }

    def _at_rest(self, part: Part) -> Reading:
        if not self._rested:
            pids = {part: self._platform.nodes[part][0].process.pid for part in _PARTS}
            found = settled(pids.values())
            self._rested = {part: as_reading(found[pid]) for part, pid in pids.items()}
        return self._rested[part]

    def _address(self) -> str:
        return f"player-{next(self._numbers)}@example.test"

    def _sign_in(self) -> None:
        self._platform.device(self._address())

    @contextmanager
    def _command(self) -> Iterator[Take]:
        player = self._platform.player(self._address())
        player.created()
        yield timed(lambda: player.games().expect(200))

    @contextmanager
    def _push(self, subscribers: int) -> Iterator[Take]:
        with self._fan(f"fan-{subscribers}", subscribers) as fan:
            yield lambda: reading(fan.push())

    def _fan(self, user_id: str, subscribers: int) -> AbstractContextManager[Fan]:
        platform = self._platform
        devices = [open_session(platform.streams, platform.gateway.edge, user_id) for _ in range(subscribers)]
        return Fan.open(platform.streams, user_id, devices)

    @contextmanager
    def _intent(self, stream: str) -> Iterator[Take]:
        """Of the push and the mail that come of an intent one is timed; the other is awaited before the next intent."""
        client = self._platform.store.client()
        tails = {name: Tail.from_now(client, name) for name in (schema.CLIENT_EVENTS, schema.MAIL_COMMANDS)}
        timed_one = tails.pop(stream)
        user_id = self._platform.users.id_of(self._address())

        def take() -> Reading:
            fields = intent(_PUSHED_AND_MAILED, (user_id,))
            schema.check(schema.INTENTS, fields)
            begun = time.monotonic()
            self._platform.streams.publish_unchecked(schema.INTENTS, fields)
            _, at = timed_one.next(within=_PATIENCE_S)
            for other in tails.values():
                other.next(within=_PATIENCE_S)
            return reading((at - begun) * 1000)

        yield take

    @contextmanager
    def _under_load(self, part: Part) -> Iterator[Take]:
        if not self._loaded:
            self._loaded = self._load()
        yield lambda: self._loaded[part]

    def _load(self) -> dict[Part, Reading]:
        """What each service occupies at the end of a fixed amount of work, while its clients are still connected."""
        platform = self._platform
        devices = [platform.device(self._address()) for _ in range(_LOAD_DEVICES)]
        players = [commands.player(device, device.session_id) for device in devices]
        mailed = platform.users.id_of(self._address())

        def play(player: Player) -> None:
            for _ in range(_LOAD_COMMANDS):
                player.games().expect(200)

        with self._fan("loaded", _LOAD_SUBSCRIBERS) as fan, ThreadPoolExecutor(_LOAD_DEVICES) as pool:
            working = [pool.submit(play, player) for player in players]
            for _ in range(_LOAD_INTENTS):
                platform.streams.publish(schema.INTENTS, intent(_PUSHED_AND_MAILED, (mailed,)))
            fan.push()
            for work in working:
                work.result()
            platform.streams.wait_handled(schema.INTENTS, "notification", timeout=_PATIENCE_S)
            return {part: occupied(platform.nodes[part][0].process) for part in _PARTS}


def as_reading(found: Footprint) -> Reading:
    """A proportional set size, with the resident set size beside it."""
    return reading(found.pss, rss=found.rss)


def occupied(process: Process) -> Reading:
    """The memory of a process now."""
    return as_reading(footprint(process.pid))
