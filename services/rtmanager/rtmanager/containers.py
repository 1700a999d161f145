"""What Docker says of a container, and what it is told to make one of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

ENGINE_PORT: Final = 8080

_PREFIX: Final = "seatrial.rtmanager."
DEPLOYMENT: Final = f"{_PREFIX}deployment"
GAME_ID: Final = f"{_PREFIX}game_id"
IMAGE_REF: Final = f"{_PREFIX}image_ref"
STARTED_AT_MS: Final = f"{_PREFIX}started_at_ms"
OPERATION_ID: Final = f"{_PREFIX}operation_id"

_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def name_of(game_id: str) -> str:
    """Give the name of a game's container, which is its host's name too."""
    return f"game-{game_id}"


def milliseconds(time: str) -> int:
    """Read a time of Docker's (RFC 3339 with nanoseconds) as Unix milliseconds. Raises ValueError."""
    found = _TIME.fullmatch(time)
    if found is None:
        raise ValueError(f"{time!r} is no time of Docker's")
    second, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(second + ("+00:00" if zone == "Z" else zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{time!r} is in no year from 1 to 9999") from None
    return int(moment.timestamp()) * 1000 + int((fraction or "0").ljust(9, "0")[:3])


@dataclass(frozen=True, slots=True)
class Container:
    """A container, as an inspection found it.

    ``status`` is Docker's: created, running, paused, restarting, removing, exited or dead. ``run`` is the time of its last
    start, which tells one run from the next; of one that was never started it is Docker's zero time. ``address`` is the IP
    address in the engines' network, empty when it has none. ``health`` is the health check's status, empty without one.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    image_ref: str
    status: str
    run: str
    ended: str
    exit_code: int
    oom_killed: bool
    health: str
    failing_streak: int
    address: str

    @classmethod
    def parse(cls, document: Mapping[str, Any], network: str) -> "Container":
        """Read an inspection's document."""
        state, config = document["State"], document["Config"]
        labels: Mapping[str, str] = config.get("Labels") or {}
        health = state.get("Health") or {}
        networks = document["NetworkSettings"].get("Networks") or {}
        return cls(
            id=document["Id"],
            name=document["Name"].lstrip("/"),
            labels=labels,
            image_ref=labels.get(IMAGE_REF) or config["Image"],
            status=state["Status"],
            run=state["StartedAt"],
            ended=state["FinishedAt"],
            exit_code=state["ExitCode"],
            oom_killed=state["OOMKilled"],
            health="" if health.get("Status") == "none" else health.get("Status", ""),
            failing_streak=health.get("FailingStreak", 0),
            address=(networks.get(network) or {}).get("IPAddress", ""),
        )

    @property
    def alive(self) -> bool:
        """Whether it has a process."""
        return self.status in {"running", "paused", "restarting"}

    @property
    def ended_or_never_ran(self) -> bool:
        """Whether it is there and has no process, nor is about to vanish."""
        return self.status in {"created", "exited", "dead"}

    @property
    def game_id(self) -> str:
        """The game that it belongs to; empty without the label."""
        return self.labels.get(GAME_ID, "")

    @property
    def operation_id(self) -> str:
        """The operation that made it; empty if it was none of ours."""
        return self.labels.get(OPERATION_ID, "")

    @property
    def endpoint(self) -> str:
        """Base URL of its engine inside the network."""
        return f"http://{self.name}:{ENGINE_PORT}"

    @property
    def started_at_ms(self) -> int:
        """When its last run began."""
        return milliseconds(self.run)

    @property
    def ended_at_ms(self) -> int:
        """When its last run ended."""
        return milliseconds(self.ended)


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there."""

    id: str
    user: str
    labels: Mapping[str, str]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Image":
        """Read an inspection's document."""
        config = document.get("Config") or {}
        return cls(document["Id"], config.get("User") or "", config.get("Labels") or {})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use: ``memory`` in bytes, ``pids`` processes and threads."""

    cpus: float
    memory: int
    pids: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A container to be made."""

    game_id: str
    image_ref: str
    user: str
    limits: Limits
    state_path: str
    state_mount: str
    network: str
    labels: Mapping[str, str] = field(default_factory=dict)
