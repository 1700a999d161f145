"""What has happened, judged from a record and what Docker says now. Nothing here waits or writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rtmanager.containers import Container
from rtmanager.messages import Details, EventType
from rtmanager.records import Record


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be told. ``run`` as in the container."""

    event_type: EventType
    container_id: str
    run: str
    occurred_at_ms: int
    details: Details


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the record, and what is told of it.

    ``status`` is what it becomes, None when it stays; ``container`` is the one that the record then names.
    """

    status: Literal["running", "stopped", "removed"] | None
    container: Container | None = None
    events: Sequence[Event] = ()
    notes: dict[str, bool | str] = field(default_factory=dict)
    stopped_at_ms: int = 0


def started(container: Container, *, adopted: bool) -> Event:
    """Tell that a run began."""
    details: Details = {"image_ref": container.image_ref, "adopted": adopted}
    return Event("container_started", container.id, container.run, container.started_at_ms, details)


def ended(container: Container, *, ordered: bool, oom_told: bool = False) -> Event:
    """Tell that a run has ended, and how."""
    if container.oom_killed and not ordered and not oom_told:
        details: Details = {"exit_code": container.exit_code, "exited": True}
        return Event("container_oom", container.id, container.run, container.ended_at_ms, details)
    details = {"exit_code": container.exit_code, "ordered": ordered}
    return Event("container_exited", container.id, container.run, container.ended_at_ms, details)


def disappeared(record: Record, now_ms: int) -> Event:
    """Tell that the record's container is not there any more."""
    details: Details = {"image_ref": record.image_ref}
    return Event("container_disappeared", record.container_id, record.run, now_ms, details)


def judge(record: Record | None, containers: Sequence[Container], now_ms: int) -> list[Change]:
    """Give what has to be written, in order, so that the record is what Docker says.

    ``containers`` are the game's own, the running ones first, then the newest.
    """
    if record is None or record.status == "removed":
        return _adopt(containers, known=record is not None)
    own = next((each for each in containers if each.id == record.container_id), None)
    if own is None:
        others = [each for each in containers if each.alive]
        gone = Change("removed", events=[disappeared(record, now_ms)])
        return [gone, *_adopt(others, known=True)]
    if own.status == "removing":
        return []  # it is told when it is gone
    if record.status == "running":
        return _running(record, own)
    return _stopped(record, own)


def _adopt(containers: Sequence[Container], *, known: bool) -> list[Change]:
    for each in containers:
        if each.alive:
            return [Change("running", each, [started(each, adopted=True)])]
        # A removed record's leftover is what a cleanup is about to remove, or could not: it is not taken up again.
        if each.ended_or_never_ran and not known:
            return [Change("stopped", each)]
    return []


def _running(record: Record, own: Container) -> list[Change]:
    if own.run != record.run:
        # Started again by somebody else; how the run before ended is not known any more.
        before: Details = {"exit_code": own.exit_code if own.alive else -1, "ordered": False}
        told = Event("container_exited", own.id, record.run, own.started_at_ms, before)
        changes = [
            Change("stopped", own, [told], stopped_at_ms=own.started_at_ms),
            Change("running", own, [started(own, adopted=True)]),
        ]
        return changes if own.alive else [*changes, _end(own, oom_told=False)]
    if not own.alive:
        return [_end(own, oom_told=record.oom)]
    return _living(record, own)


def _end(own: Container, *, oom_told: bool) -> Change:
    return Change(
        "stopped", own, [ended(own, ordered=False, oom_told=oom_told)], stopped_at_ms=own.ended_at_ms
    )


def _living(record: Record, own: Container) -> list[Change]:
    changes = []
    if own.oom_killed and not record.oom:
        details: Details = {"exit_code": 0, "exited": False}
        told = Event("container_oom", own.id, own.run, own.started_at_ms, details)
        changes.append(Change(None, own, [told], {"oom": True}))
    unhealthy = own.health == "unhealthy"
    if unhealthy and not record.unhealthy:
        details = {"failing_streak": own.failing_streak}
        told = Event("inspect_unhealthy", own.id, "", 0, details)
        changes.append(Change(None, own, [told], {"unhealthy": True}))
    elif record.unhealthy and own.health == "healthy":
        changes.append(Change(None, own, notes={"unhealthy": False}))
    return changes


def _stopped(record: Record, own: Container) -> list[Change]:
    if own.status == "created" or (own.run == record.run and not own.alive):
        return []
    again = Change("running", own, [started(own, adopted=True)])
    return [again] if own.alive else [again, _end(own, oom_told=False)]
