"""What the service depends on, and whether it is there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from servicekit import logs
from servicekit.metrics import Gauge, Registry

Check = Callable[[], Awaitable[object]]

_log = logs.get("servicekit.health")


class DependencyStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``reason`` is there when the dependency is not."""

    status: Literal["ok", "unavailable"]
    reason: str | None = None


class Alive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answer of ``/healthz``."""

    status: Literal["ok"]


class Readiness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Answer of ``/readyz``: ready when every dependency is, and the service is not stopping."""

    status: Literal["ready", "unavailable"]
    dependencies: dict[str, DependencyStatus]


class Dependency:
    """Something outside the process that it needs.

    Traffic and checks both report what they see; only a change is logged, so that an outage costs two lines and not one
    for each request that it fails.
    """

    def __init__(self, name: str, check: Check, gauge: Gauge) -> None:
        self.name = name
        self._check = check
        self._gauge = gauge
        self.reason: str | None = None
        gauge.set(1, name)

    @property
    def available(self) -> bool:
        """What was last seen; True before anything was."""
        return self.reason is None

    def up(self) -> None:
        """Report that it answered."""
        if self.reason is not None:
            self.reason = None
            self._gauge.set(1, self.name)
            _log.info("dependency_available", dependency=self.name)

    def down(self, reason: str) -> None:
        """Report that it did not answer. The reason is public: it is shown by ``/readyz``."""
        if self.reason is None:
            self._gauge.set(0, self.name)
            _log.warning("dependency_unavailable", dependency=self.name, reason=reason)
        self.reason = reason

    async def check(self, timeout_s: float) -> DependencyStatus:
        """Ask it now, for at most ``timeout_s`` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._check()
        except TimeoutError:
            self.down(f"no answer within {timeout_s:g} s")
        except Exception as problem:  # noqa: BLE001 - whatever a check raises means the same: not reachable
            self.down(logs.scrub(str(problem)) or type(problem).__name__)
        else:
            self.up()
        return DependencyStatus("ok") if self.reason is None else DependencyStatus("unavailable", self.reason)


class Health:
    """The service's dependencies by name."""

    def __init__(self, metrics: Registry, *, timeout_s: float = 1.0) -> None:
        self._gauge = metrics.gauge(
            "dependency_up", "Whether a dependency answered when it was last asked", labels=("dependency",)
        )
        self._timeout_s = timeout_s
        self._dependencies: dict[str, Dependency] = {}
        self._running: asyncio.Task[dict[str, DependencyStatus]] | None = None
        self.stopping = False

    def dependency(self, name: str, check: Check) -> Dependency:
        """Register a dependency. ``check`` asks it once and raises when it is not reachable."""
        if name in self._dependencies:
            raise ValueError(f"dependency {name} is registered twice")
        dependency = Dependency(name, check, self._gauge)
        self._dependencies[name] = dependency
        return dependency

    async def readiness(self) -> Readiness:
        """Ask every dependency at the same time. Callers that come meanwhile share the answer."""
        if self._running is None:
            self._running = asyncio.create_task(self._ask(), name="readiness")
            self._running.add_done_callback(self._asked)
        dependencies = await asyncio.shield(self._running)
        ready = not self.stopping and all(state.status == "ok" for state in dependencies.values())
        return Readiness("ready" if ready else "unavailable", dependencies)

    def _asked(self, _: object) -> None:
        self._running = None

    async def _ask(self) -> dict[str, DependencyStatus]:
        states = await asyncio.gather(*(each.check(self._timeout_s) for each in self._dependencies.values()))
        return dict(zip(self._dependencies, states, strict=True))
