"""What can be configured: the environment variables with the prefix RTMANAGER_."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicekit import stores
from servicekit.config import ServiceConfig, optional, variable
from servicekit.parsers import Parser, integer, mapping, milliseconds, one_of, size, text

PREFIX: Final = "RTMANAGER"

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
_LABEL: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


def absolute_path() -> Parser[str]:
    """An absolute path; Docker's bind mounts take no other."""

    def parse(value: str) -> str:
        if not value.startswith("/") or "\0" in value or ".." in value.split("/"):
            raise ValueError(f"{value!r} is not an absolute path without '..' (give /var/lib/...)")
        return value.rstrip("/") or "/"

    return parse


def label_name() -> Parser[str]:
    """The name of a Docker label; rtmanager's own cannot be given."""

    def parse(value: str) -> str:
        if _LABEL.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not a label's name (give lower case, digits, dots)")
        if value.startswith("seatrial.rtmanager."):
            raise ValueError(f"{value!r} is one of rtmanager's own labels (give another one)")
        return value

    return parse


def cpus() -> Parser[float]:
    """A number of CPUs, such as 0.5."""

    def parse(value: str) -> float:
        if re.fullmatch(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", value) is None or not float(value):
            raise ValueError(f"{value!r} is not a number of CPUs (give 0.5, 1, 2)")
        return float(value)

    return parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """rtmanager's variables."""

    postgres_dsn: str = stores.postgres_dsn(
        "The database that holds records, operations and messages: postgresql://user:password@host:port/database"
    )
    postgres_timeout_ms: int = stores.postgres_timeout_ms()
    redis_url: str = stores.redis_url("Streams and leases")
    redis_timeout_ms: int = stores.redis_timeout_ms()
    instance_id: str | None = optional(
        text(pattern=_NAME),
        help="Names this instance; each running instance needs its own. With the same one after a crash, what it had begun is "
        "gone on with at once instead of after the lease. Default: a random one",
    )
    docker_host: str | None = optional(
        text(pattern=r"(unix|tcp|http|https)://\S+"),
        help="The Docker engine. Default: DOCKER_HOST with its companions, else unix:///var/run/docker.sock",
    )
    docker_timeout_ms: int = variable(
        milliseconds(),
        default="30000",
        unit="ms",
        help="Longest wait for one answer of Docker, pulls excepted",
    )
    deployment: str = variable(
        text(pattern=_NAME),
        default="default",
        help="Names this deployment: only containers with this label are ever touched",
    )
    network: str = variable(
        text(pattern=_NAME),
        help="The Docker network of the engines; it must exist and be reachable from here",
    )
    state_root: str = variable(
        absolute_path(), help="Folder of the games' state directories, at the same path for Docker's daemon"
    )
    state_mount: str = variable(
        absolute_path(),
        default="/state",
        help="Where the state directory is mounted in the container, and what GAME_STATE_PATH says there",
    )
    container_labels: dict[str, str] | None = optional(
        mapping(label_name(), text(maximum=256)), help="More labels of every container: key=value,key=value"
    )
    pull_policy: str = variable(
        one_of("always", "if_missing", "never"), default="if_missing", help="When an image is pulled"
    )
    pull_timeout_ms: int = variable(
        milliseconds(), default="600000", unit="ms", help="Longest time of a pull; then image_pull_failed"
    )
    default_cpus: float = variable(
        cpus(), default="0.5", unit="CPUs", help="CPU limit of images without seatrial.engine.cpus"
    )
    default_memory: int = variable(
        size(minimum=6 * 1024 * 1024),
        default="128MiB",
        unit="bytes",
        help="Memory limit of images without seatrial.engine.memory",
    )
    default_pids: int = variable(
        integer(1, 100_000), default="64", help="Process limit of images without seatrial.engine.pids"
    )
    start_timeout_ms: int = variable(
        milliseconds(),
        default="10000",
        unit="ms",
        help="How long a started engine may take to answer /healthz; then container_start_failed",
    )
    start_patience_ms: int = variable(
        milliseconds(minimum=0),
        default="30000",
        unit="ms",
        help="How long a start job waits for Docker to come back; then it fails with docker_unavailable",
    )
    grace_ms: int = variable(
        milliseconds(minimum=0),
        default="5000",
        unit="ms",
        help="Time for an engine to end after SIGTERM; then it is killed",
    )
    lease_ms: int = variable(
        milliseconds(minimum=100),
        default="15000",
        unit="ms",
        help="Lifetime of a game's lease; it is renewed three times in that time while an operation runs",
    )
    concurrency: int = variable(
        integer(1, 256), default="8", help="Jobs that run at the same time, each on another game"
    )
    claim_idle_ms: int = variable(
        milliseconds(),
        default="30000",
        unit="ms",
        help="When stream entries that a dead instance holds are taken over",
    )
    block_ms: int = variable(
        milliseconds(), default="5000", unit="ms", help="How long one read of a stream waits for entries"
    )
    resume_interval_ms: int = variable(
        milliseconds(),
        default="1000",
        unit="ms",
        help="Time between two looks for operations that were left half-done",
    )
    reconcile_interval_ms: int = variable(
        milliseconds(),
        default="300000",
        unit="ms",
        help="Time between two comparisons of all records with Docker",
    )
    inspect_interval_ms: int = variable(
        milliseconds(),
        default="30000",
        unit="ms",
        help="Time between two inspections of each running container",
    )
    probe_interval_ms: int = variable(
        milliseconds(), default="5000", unit="ms", help="Time between two probes of each running engine"
    )
    probe_timeout_ms: int = variable(
        milliseconds(), default="2000", unit="ms", help="Longest wait for an engine's answer to a probe"
    )
    probe_failures: int = variable(
        integer(1, 100), default="3", help="Failed probes in a row that make probe_failed"
    )
    probe_successes: int = variable(
        integer(1, 100), default="2", help="Good probes in a row that make probe_recovered"
    )
    stopped_retention_ms: int = variable(
        milliseconds(minimum=0),
        default="2592000000",
        unit="ms",
        help="When the container of a stopped game is removed by itself; 0 for never",
    )

    @classmethod
    def conflicts(cls, prefix: str, values: Mapping[str, Any]) -> list[str]:
        """Say what is wrong with variables taken together."""
        problems = []
        if values.get("state_root") == "/":
            problems.append(f"{prefix}_STATE_ROOT: is the root of the file system (give a folder of its own)")
        return problems
