"""What rtmanager writes to streams, through the outbox, as published in `api/streams.schema.json`."""

from typing import Final, Literal

import msgspec
from servicekit import logs, outbox
from servicekit.metrics import Counter, Registry
from servicekit.postgres import Connection

from rtmanager.journal import Operation
from rtmanager.records import now_ms

JOB_RESULTS: Final = "runtime:job_results"
HEALTH_EVENTS: Final = "runtime:health_events"
INTENTS: Final = "notification:intents"

EventType = Literal[
    "container_started", "container_exited", "container_oom", "container_disappeared", "inspect_unhealthy", "probe_failed",
    "probe_recovered",
]  # fmt: skip
Details = dict[str, str | int | bool]

#: Failed starts of which the administrators are told.
_TOLD: Final = frozenset({"image_pull_failed", "container_start_failed", "start_config_invalid"})

_log = logs.get("rtmanager.messages")


class Messages:
    """Writes messages in the caller's transaction: they leave if it commits, and once."""

    def __init__(self, metrics: Registry) -> None:
        self._events: Counter = metrics.counter(
            "rtmanager_health_events_total", "Health events written", ("event_type",)
        )

    async def job_result(
        self,
        connection: Connection,
        operation: Operation,
        *,
        container_id: str = "",
        engine_endpoint: str = "",
    ) -> None:
        """Tell the end of a job; nothing if the operation was no job. ``operation`` is as it was finished."""
        if not operation.is_job:
            return
        fields = {
            "operation": operation.kind,
            "requested_at_ms": str(operation.requested_at_ms),
            "game_id": operation.game_id,
            "outcome": operation.status,
            "container_id": container_id,
            "engine_endpoint": engine_endpoint,
            "error_code": operation.error_code,
            "error_message": operation.error_message,
        }
        await outbox.put(connection, JOB_RESULTS, fields, key=f"result:{operation.operation_id}")

    async def health_event(
        self,
        connection: Connection,
        event_type: EventType,
        *,
        game_id: str,
        container_id: str,
        occurred_at_ms: int,
        details: Details,
        run: str = "",
    ) -> None:
        """Tell that something happened to an engine. ``run`` is the run of the container that it happened in, once."""
        fields = {
            "game_id": game_id,
            "container_id": container_id,
            "event_type": event_type,
            "occurred_at_ms": str(occurred_at_ms),
            "details": msgspec.json.encode(details).decode(),
        }
        key = f"{event_type}:{container_id}:{run}" if run else None
        await outbox.put(connection, HEALTH_EVENTS, fields, key=key)
        self._events.inc(event_type)
        _log.info(
            "health_event", game_id=game_id, container_id=container_id, event_type=event_type, **details
        )

    async def intent(self, connection: Connection, operation: Operation) -> None:
        """Tell the administrators of a failed start; nothing if its failure is not theirs to mend."""
        if operation.error_code not in _TOLD:
            return
        now = now_ms()
        payload = {
            "game_id": operation.game_id,
            "image_ref": operation.image_ref,
            "error_code": operation.error_code,
            "error_message": operation.error_message,
            "attempted_at_ms": operation.started_at_ms or now,
        }
        key = f"rtmanager:{operation.operation_id}"
        fields = {
            "notification_type": f"runtime.{operation.error_code}",
            "producer": "rtmanager",
            "audience_kind": "admin_email",
            "recipient_user_ids": "[]",
            "idempotency_key": key,
            "occurred_at_ms": str(operation.finished_at_ms or now),
            "request_id": operation.operation_id,
            "trace_id": "",
            "payload": msgspec.json.encode(payload).decode(),
        }
        await outbox.put(connection, INTENTS, fields, key=f"intent:{operation.operation_id}")
