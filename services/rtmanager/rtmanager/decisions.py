"""What becomes of an operation, decided from the record before anything is done. Nothing here waits or writes."""

from dataclasses import dataclass

from rtmanager.errors import OperationFailed
from rtmanager.images import ImageRef, check_patch
from rtmanager.journal import Kind
from rtmanager.records import Record


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. ``job_requested_at_ms`` is None when it was no job."""

    kind: Kind
    game_id: str
    image_ref: str = ""
    reason: str = ""
    job_requested_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """It is to be done, with this image where it needs one."""

    image_ref: str


@dataclass(frozen=True, slots=True)
class NoOp:
    """What is asked for is so already."""


def decide(request: Request, record: Record | None, last_stop_requested_at_ms: int) -> Begin | NoOp:
    """Decide. ``last_stop_requested_at_ms`` is of the newest stop job that is done. Raises OperationFailed."""
    if request.kind == "start":
        return _start(request, record, last_stop_requested_at_ms)
    if request.kind == "stop" and request.job_requested_at_ms is not None:
        return _stop_job(request.job_requested_at_ms, record)
    if record is None:
        raise OperationFailed("not_found", f"there is no runtime of {request.game_id} (start it)")
    if record.status == "removed" and request.kind != "cleanup":
        raise OperationFailed("conflict", f"the container of {request.game_id} was removed (start it)")
    if request.kind == "stop":
        return Begin("") if record.status == "running" else NoOp()
    if request.kind == "cleanup":
        if record.status == "running":
            raise OperationFailed("conflict", f"{request.game_id} is running (stop it first)")
        return Begin("") if record.status == "stopped" else NoOp()
    if request.kind == "restart":
        return Begin(record.image_ref)
    check_patch(ImageRef.parse(record.image_ref), ImageRef.parse(request.image_ref))
    if record.status == "running" and record.image_ref == request.image_ref:
        return NoOp()
    return Begin(request.image_ref)


def _start(request: Request, record: Record | None, last_stop_requested_at_ms: int) -> Begin | NoOp:
    ImageRef.parse(request.image_ref)
    requested = request.job_requested_at_ms
    if requested is not None and requested < last_stop_requested_at_ms:
        raise OperationFailed(
            "conflict", f"{request.game_id} was stopped by a job that was requested later (start it anew)"
        )
    if record is None or record.status != "running":
        return Begin(request.image_ref)
    if record.image_ref == request.image_ref:
        return NoOp()
    raise OperationFailed(
        "conflict", f"{request.game_id} is running with {record.image_ref} (stop it first, or patch it)"
    )


def _stop_job(requested_at_ms: int, record: Record | None) -> Begin | NoOp:
    if record is None or record.status != "running":
        return NoOp()
    newer = record.job_requested_at_ms is not None and requested_at_ms < record.job_requested_at_ms
    return NoOp() if newer else Begin("")
