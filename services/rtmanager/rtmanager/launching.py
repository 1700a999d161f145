"""A game's container: what it needs, making it, and waiting until its engine answers."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from servicekit import logs

from rtmanager import containers, limits
from rtmanager.containers import Container, Image, Limits, Plan
from rtmanager.daemon import Docker, DockerRefused, DockerUnavailable, NameTaken
from rtmanager.errors import OperationFailed
from rtmanager.images import ImageRef
from rtmanager.journal import Operation
from rtmanager.leases import Lease
from rtmanager.probing import ailment
from rtmanager.records import now_ms
from rtmanager.statedir import StateRoot

#: Pauses between two questions whether the engine answers, and between two whether its container lives.
ASK_S: Final = 0.02
INSPECT_S: Final = 0.25
#: Answers to one question take no longer; the next one is asked then.
ANSWER_S: Final = 1.0
#: How often the making is begun anew because the name was taken by what then was gone.
TRIES: Final = 20

_log = logs.get("rtmanager.launching")


@dataclass(frozen=True, slots=True)
class Rules:
    """How containers are made; see config.py."""

    deployment: str
    network: str
    state_mount: str
    labels: dict[str, str]
    pull_policy: str
    pull_timeout_s: float
    start_timeout_s: float
    defaults: Limits


class Launcher:
    """Makes containers. Its steps can be repeated: each finds what an earlier try has done."""

    def __init__(self, docker: Docker, state_root: StateRoot, rules: Rules) -> None:
        self._docker = docker
        self._state_root = state_root
        self._rules = rules

    async def plan(self, operation: Operation, lease: Lease, image_ref: str) -> Plan:
        """Get everything that a container needs. Raises OperationFailed, DockerUnavailable and LeaseLost."""
        reference = ImageRef.parse(image_ref)
        lease.check()
        image, has_network = await asyncio.gather(self._image(reference, lease), self._docker.has_network())
        bounds = limits.limits_of(image, self._rules.defaults)
        owner = limits.owner_of(image)
        if not has_network:
            raise OperationFailed(
                "start_config_invalid",
                f"the Docker network {self._rules.network} does not exist (create it, or set RTMANAGER_NETWORK)",
            )
        lease.check()
        user = await asyncio.to_thread(self._state_root.prepare, operation.game_id, owner)
        labels = self._rules.labels | {
            containers.DEPLOYMENT: self._rules.deployment,
            containers.GAME_ID: operation.game_id,
            containers.IMAGE_REF: image_ref,
            containers.OPERATION_ID: operation.operation_id,
            containers.STARTED_AT_MS: str(now_ms()),
        }
        return Plan(
            game_id=operation.game_id,
            image_ref=image_ref,
            user=user,
            limits=bounds,
            state_path=self._state_root.path(operation.game_id),
            state_mount=self._rules.state_mount,
            network=self._rules.network,
            labels=labels,
        )

    async def _image(self, reference: ImageRef, lease: Lease) -> Image:
        present = None if self._rules.pull_policy == "always" else await self._docker.image(str(reference))
        if present is not None:
            return present
        if self._rules.pull_policy == "never":
            raise OperationFailed(
                "image_pull_failed",
                f"{reference} is not on this machine, and RTMANAGER_PULL_POLICY is never (load it)",
            )
        try:
            await self._docker.pull(str(reference), self._rules.pull_timeout_s)
        except DockerRefused as refused:
            raise OperationFailed(
                "image_pull_failed", f"{reference} cannot be pulled: {refused.reason}"
            ) from None
        lease.check()
        pulled = await self._docker.image(str(reference))
        if pulled is None:
            raise OperationFailed(
                "image_pull_failed", f"{reference} was pulled and is not there (pull it by its full name)"
            )
        return pulled

    async def made_by(self, operation: Operation) -> Container | None:
        """Find the container that an earlier try of this operation made."""
        present = await self._docker.containers(operation.game_id)
        return next((each for each in present if each.operation_id == operation.operation_id), None)

    async def launch(
        self, operation: Operation, lease: Lease, plan: Plan, made: Container | None
    ) -> Container:
        """Give the operation's container, running, its engine answering. What was there before must be gone.

        ``made`` is the container that an earlier try has made and not started. Raises OperationFailed
        ``container_start_failed``, DockerUnavailable and LeaseLost.
        """
        try:
            container_id = made.id if made is not None else await self._make(operation, lease, plan)
            lease.check()
            await self._docker.start(container_id)
        except DockerRefused as refused:
            raise OperationFailed("container_start_failed", f"Docker refused: {refused.reason}") from None
        return await self.answering(container_id)

    async def _make(self, operation: Operation, lease: Lease, plan: Plan) -> str:
        for _ in range(TRIES):
            lease.check()
            try:
                return await self._docker.create(plan)
            except NameTaken:
                mine = await self.made_by(operation)  # by a try whose end nobody has seen
                if mine is not None:
                    return mine.id
                await self._yield_name(operation)
        raise OperationFailed(
            "container_start_failed",
            f"the name {containers.name_of(operation.game_id)} does not come free (see docker ps -a)",
        )

    async def _yield_name(self, operation: Operation) -> None:
        """Look who has the name: go on only if it may come free, or is ours after all."""
        name = containers.name_of(operation.game_id)
        holder = await self._docker.container(name)
        if holder is None or holder.status == "removing":
            await asyncio.sleep(ASK_S)
            return
        if not self._docker.owns(holder) or holder.game_id != operation.game_id:
            raise OperationFailed(
                "container_start_failed",
                f"a container that is not this deployment's has the name {name} (rename or remove it)",
            )
        if holder.operation_id != operation.operation_id and holder.alive:
            raise OperationFailed(
                "conflict", f"another container of {operation.game_id} was started meanwhile (stop it)"
            )
        if holder.operation_id != operation.operation_id:
            await self._docker.remove(holder.id, force=False)

    async def answering(self, container_id: str) -> Container:
        """Wait until the engine answers; inspect it now and then, for it may have ended.

        Raises OperationFailed ``container_start_failed`` and DockerUnavailable.
        """
        end = time.monotonic() + self._rules.start_timeout_s
        while True:
            container = await self._docker.container(container_id)
            if container is None:
                raise OperationFailed("container_start_failed", "the container was removed while it started")
            if not container.alive:
                await self._log_last_words(container)
                raise OperationFailed("container_start_failed", _how_it_ended(container))
            again = time.monotonic() + INSPECT_S
            while time.monotonic() < again:
                wrong = await ailment(container.address, ANSWER_S)
                if wrong is None:
                    return container
                if time.monotonic() > end:
                    await self._log_last_words(container)
                    raise OperationFailed(
                        "container_start_failed",
                        f"the engine did not answer /healthz within {self._rules.start_timeout_s:g} s: {wrong}",
                    )
                await asyncio.sleep(ASK_S)

    async def _log_last_words(self, container: Container) -> None:
        try:
            output = await self._docker.last_words(container.id)
        except DockerRefused as refused:
            output = refused.reason
        _log.info("engine_output", game_id=container.game_id, container_id=container.id, output=output)

    async def discard(self, operation: Operation) -> None:
        """Remove what a failed operation has made; if Docker is away, its end is seen to later (see observer.py)."""
        try:
            mine = await self.made_by(operation)
            if mine is not None:
                await self._docker.remove(mine.id, force=True)
        except DockerUnavailable:
            pass
        except DockerRefused as refused:
            _log.warning("debris_left", game_id=operation.game_id, reason=refused.reason)


def _how_it_ended(container: Container) -> str:
    if container.oom_killed:
        return "the engine was killed for its memory limit before it answered (raise seatrial.engine.memory)"
    return f"the engine ended with status {container.exit_code} before it answered /healthz (see its log)"
