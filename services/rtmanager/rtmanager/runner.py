"""Runs operations under a game's lease, from their beginning or from where another life left them.

Every operation is a row of the journal before its first step, and its end is one transaction: record, journal, health event and
job result. Each step between can be repeated, so that whoever finds an unfinished row goes on with it: see launching.py for
containers that are there already, and journal.py for who may still write.
"""

import time
from typing import Final

from servicekit import logs
from servicekit.metrics import Registry
from servicekit.postgres import Connection, Database

from rtmanager import journal, records
from rtmanager.containers import Container
from rtmanager.daemon import Docker, DockerRefused, DockerUnavailable
from rtmanager.decisions import NoOp, Request, decide
from rtmanager.errors import REPLAY_NO_OP, OperationFailed
from rtmanager.journal import Operation, OpSource
from rtmanager.judgement import Event, disappeared, ended, started
from rtmanager.launching import Launcher
from rtmanager.leases import Lease
from rtmanager.messages import Messages
from rtmanager.observer import Observer
from rtmanager.records import Record, now_ms

START_BUCKETS: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)

_log = logs.get("rtmanager.runner")


class Runner:
    """Runs one operation at a time for each game; the caller holds the game's lease."""

    def __init__(
        self,
        *,
        docker: Docker,
        database: Database,
        launcher: Launcher,
        observer: Observer,
        messages: Messages,
        metrics: Registry,
        grace_s: int,
        start_patience_ms: int,
    ) -> None:
        """``grace_s`` seconds an engine has to end; ``start_patience_ms`` a start job waits for Docker."""
        self._docker = docker
        self._database = database
        self._launcher = launcher
        self._observer = observer
        self._messages = messages
        self._grace_s = grace_s
        self._start_patience_ms = start_patience_ms
        self._done = metrics.counter(
            "rtmanager_operations_total", "Operations that have ended", ("kind", "outcome")
        )
        self._start_seconds = metrics.histogram(
            "rtmanager_start_duration_seconds", "Time from taking a start to its end", buckets=START_BUCKETS
        )

    async def request(self, request: Request, op_source: OpSource, lease: Lease) -> Operation:
        """Do what is asked by a caller who waits; give the operation as it ended.

        Raises OperationFailed, DockerUnavailable (what had begun is gone on with later), DatabaseUnavailable and LeaseLost.
        """
        await self._observer.look(request.game_id)
        async with self._database.transaction() as connection:
            await records.lock(connection, request.game_id)
            record = await records.get(connection, request.game_id)
            decision = decide(request, record, 0)
            operation = await journal.add(
                connection,
                game_id=request.game_id,
                kind=request.kind,
                op_source=op_source,
                status="running",
                requested_at_ms=now_ms(),
                image_ref=request.image_ref if isinstance(decision, NoOp) else decision.image_ref,
                reason=request.reason,
                token=lease.token,
            )
            if isinstance(decision, NoOp):
                return self._counted(await self._no_op(connection, operation, record))
        ended_as = await self._perform(operation, lease)
        if ended_as.status == "failure":
            raise OperationFailed(ended_as.error_code, ended_as.error_message)
        return ended_as

    async def resume(self, operation: Operation, lease: Lease) -> None:
        """Do an operation of the journal: a queued job, or what was begun and not ended.

        Raises DockerUnavailable, DatabaseUnavailable and LeaseLost; then it stays to be done.
        """
        begun = operation.status == "running"
        try:
            if begun:
                async with self._database.transaction() as connection:
                    operation = await journal.take(connection, operation, lease.token)
                _log.info(
                    "operation_resumed",
                    operation_id=operation.operation_id,
                    kind=operation.kind,
                    game_id=operation.game_id,
                )
            else:
                taken = await self._begin_job(operation, lease)
                if taken.status != "running":
                    return
                operation = taken
            await self._perform(operation, lease)
        except DockerUnavailable as problem:
            if not (operation.is_job and operation.kind == "start") or not self._out_of_patience(operation):
                raise
            async with self._database.transaction() as connection:
                operation = await journal.take(connection, operation, lease.token)
            reason = OperationFailed(
                "docker_unavailable", f"Docker does not answer: {problem} (start it again later)"
            )
            await self._fail(operation, reason, lease)

    async def give_up(self, operation: Operation, lease: Lease) -> None:
        """End an operation that fails for a defect each time. Raises DatabaseUnavailable and LeaseLost."""
        async with self._database.transaction() as connection:
            operation = await journal.take(connection, operation, lease.token)
        defect = OperationFailed("internal_error", "rtmanager failed; its log has the operation's id")
        await self._fail(operation, defect, lease)

    def _out_of_patience(self, operation: Operation) -> bool:
        return now_ms() - operation.queued_at_ms >= self._start_patience_ms

    async def _begin_job(self, operation: Operation, lease: Lease) -> Operation:
        await self._observer.look(operation.game_id)
        request = Request(
            operation.kind,
            operation.game_id,
            operation.image_ref,
            operation.reason,
            operation.requested_at_ms,
        )
        async with self._database.transaction() as connection:
            await records.lock(connection, operation.game_id)
            record = await records.get(connection, operation.game_id)
            last_stop = await journal.last_stop_requested_at_ms(connection, operation.game_id)
            operation = await journal.take(connection, operation, lease.token)
            try:
                decision = decide(request, record, last_stop)
            except OperationFailed as failed:
                return self._counted(await self._failed(connection, operation, failed))
            if isinstance(decision, NoOp):
                return self._counted(await self._no_op(connection, operation, record))
        return operation

    async def _no_op(self, connection: Connection, operation: Operation, record: Record | None) -> Operation:
        container_id = record.container_id if record is not None else ""
        endpoint = record.engine_endpoint if record is not None and record.status == "running" else ""
        operation = await journal.finish(
            connection, operation, outcome="success", container_id=container_id, error_code=REPLAY_NO_OP
        )
        await self._messages.job_result(
            connection, operation, container_id=container_id, engine_endpoint=endpoint
        )
        return operation

    async def _perform(self, operation: Operation, lease: Lease) -> Operation:
        """Do what has begun; give it as it ended, with success or failure."""
        try:
            done = await self._do(operation, lease)
        except OperationFailed as problem:
            return await self._fail(operation, problem, lease)
        except DockerRefused as refused:
            code = "internal_error" if operation.kind in {"stop", "cleanup"} else "container_start_failed"
            reason = OperationFailed(code, f"Docker refused: {refused.reason}")
            return await self._fail(operation, reason, lease)
        finally:
            # What Docker told meanwhile was passed over.
            self._observer.wake(operation.game_id)
        return self._counted(done)

    async def _do(self, operation: Operation, lease: Lease) -> Operation:
        if operation.kind == "stop":
            return await self._stop(operation, lease)
        if operation.kind == "cleanup":
            return await self._clean_up(operation, lease)
        began = time.monotonic()
        done = await self._start(operation, lease)
        self._start_seconds.observe(time.monotonic() - began)
        return done

    async def _start(self, operation: Operation, lease: Lease) -> Operation:
        present = await self._docker.containers(operation.game_id)
        made = next((each for each in present if each.operation_id == operation.operation_id), None)
        if made is not None and made.status != "created":
            # What was started already is not planned again: the image need not be there any more.
            container = await self._launcher.answering(made.id)
        else:
            plan = await self._launcher.plan(operation, lease, operation.image_ref)
            for each in present:
                if each is not made:
                    operation = await self._retire(operation, lease, each)
            container = await self._launcher.launch(operation, lease, plan, made)
        async with self._database.transaction() as connection:
            await records.lock(connection, operation.game_id)
            record = await records.get(connection, operation.game_id)
            done = await journal.finish(connection, operation, outcome="success", container_id=container.id)
            await records.set_running(
                connection,
                record,
                container,
                game_id=operation.game_id,
                job_requested_at_ms=operation.requested_at_ms if operation.is_job else None,
            )
            await self._tell(connection, operation.game_id, started(container, adopted=False))
            await self._messages.job_result(
                connection, done, container_id=container.id, engine_endpoint=container.endpoint
            )
        return done

    async def _retire(self, operation: Operation, lease: Lease, other: Container) -> Operation:
        """End and remove a container of the game that is not this operation's."""
        if other.alive and operation.kind == "start":
            raise OperationFailed(
                "conflict", f"another container of {operation.game_id} was started meanwhile (stop it)"
            )
        lease.check()
        await self._docker.stop(other.id, self._grace_s)
        after = await self._docker.container(other.id)
        async with self._database.transaction() as connection:
            await records.lock(connection, operation.game_id)
            record = await self._set_ended(connection, operation.game_id, other.id, after)
            if record is not None and record.container_id == other.id:
                operation = await journal.set_retired(connection, operation)
        lease.check()
        await self._docker.remove(other.id, force=False)
        return operation

    async def _set_ended(
        self, connection: Connection, game_id: str, container_id: str, after: Container | None
    ) -> Record | None:
        """Write that a container was ended by us; what the record is by then."""
        record = await records.get(connection, game_id)
        if record is None or record.container_id != container_id or record.status != "running":
            return record
        if after is None or after.status == "removing":
            await self._tell(connection, game_id, disappeared(record, now_ms()))
            return await records.set_removed(connection, record)
        await self._tell(connection, game_id, ended(after, ordered=True))
        return await records.set_stopped(connection, record, after.ended_at_ms)

    async def _stop(self, operation: Operation, lease: Lease) -> Operation:
        record = await records.get(self._database, operation.game_id)
        if record is None:
            raise OperationFailed("not_found", f"there is no runtime of {operation.game_id} (start it)")
        lease.check()
        await self._docker.stop(record.container_id, self._grace_s)
        after = await self._docker.container(record.container_id)
        async with self._database.transaction() as connection:
            await records.lock(connection, operation.game_id)
            done = await journal.finish(
                connection, operation, outcome="success", container_id=record.container_id
            )
            await self._set_ended(connection, operation.game_id, record.container_id, after)
            await self._messages.job_result(connection, done, container_id=record.container_id)
        return done

    async def _clean_up(self, operation: Operation, lease: Lease) -> Operation:
        record = await records.get(self._database, operation.game_id)
        if record is None:
            raise OperationFailed("not_found", f"there is no runtime of {operation.game_id} (start it)")
        present = await self._docker.container(record.container_id)
        if present is not None:
            if present.alive:
                raise OperationFailed(
                    "conflict", f"{operation.game_id} was started meanwhile (stop it first)"
                )
            lease.check()
            await self._docker.remove(record.container_id, force=False)
        async with self._database.transaction() as connection:
            await records.lock(connection, operation.game_id)
            done = await journal.finish(
                connection, operation, outcome="success", container_id=record.container_id
            )
            if record.status != "removed":
                await records.set_removed(connection, record)
        return done

    async def _fail(self, operation: Operation, failed: OperationFailed, lease: Lease) -> Operation:
        lease.check()
        await self._launcher.discard(operation)
        async with self._database.transaction() as connection:
            await records.lock(connection, operation.game_id)
            done = await self._failed(connection, operation, failed)
        return self._counted(done)

    async def _failed(
        self, connection: Connection, operation: Operation, failed: OperationFailed
    ) -> Operation:
        """Write a failure: into the journal, the record if its container was removed, the result, and an intent."""
        done = await journal.finish(
            connection, operation, outcome="failure", error_code=failed.code, error_message=failed.message
        )
        record = await records.get(connection, operation.game_id)
        if done.retired and record is not None and record.status == "stopped":
            await records.set_removed(connection, record)
        await self._messages.job_result(connection, done)
        await self._messages.intent(connection, done)
        return done

    async def _tell(self, connection: Connection, game_id: str, event: Event) -> None:
        await self._messages.health_event(
            connection,
            event.event_type,
            game_id=game_id,
            container_id=event.container_id,
            occurred_at_ms=event.occurred_at_ms,
            details=event.details,
            run=event.run,
        )

    def _counted(self, operation: Operation) -> Operation:
        self._done.inc(operation.kind, operation.status)
        fields = {
            "operation_id": operation.operation_id,
            "kind": operation.kind,
            "game_id": operation.game_id,
            "op_source": operation.op_source,
            "error_code": operation.error_code,
        }
        if operation.status == "success":
            _log.info("operation_done", **fields)
        else:
            _log.warning("operation_failed", reason=operation.error_message, **fields)
        return operation
