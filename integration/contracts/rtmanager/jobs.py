"""rtmanager as lobby knows it, by its streams alone: takes the jobs, and answers them as the test says."""

from collections.abc import Sequence
from typing import Final

from contracts.streams import schema
from contracts.streams.stream_log import Entry, StreamLog
from seatrial import until

CONTAINER: Final = "c0ffee" + "0" * 58


class RuntimeJobs:
    """Plays rtmanager on the streams of one Redis."""

    def __init__(self, streams: StreamLog) -> None:
        self._streams = streams

    def starts(self, game_id: str) -> Sequence[Entry]:
        """Every start job of a game so far."""
        return self._of(schema.START_JOBS, game_id)

    def stops(self, game_id: str) -> Sequence[Entry]:
        """Every stop job of a game so far."""
        return self._of(schema.STOP_JOBS, game_id)

    def start_of(self, game_id: str, number: int = 1) -> Entry:
        """The start job of a game that is `number` among its start jobs, counted from 1, once it is there."""
        return self._nth(schema.START_JOBS, game_id, number)

    def stop_of(self, game_id: str, number: int = 1) -> Entry:
        """The same for stop jobs."""
        return self._nth(schema.STOP_JOBS, game_id, number)

    def succeed(self, job: Entry, operation: str = "start") -> str:
        """Answers a job with success; returns the id of the entry."""
        return self._answer(job, operation, "success", "", "")

    def fail(self, job: Entry, code: str = "image_pull_failed", operation: str = "start") -> str:
        """Answers a job with a failure; returns the id of the entry."""
        return self._answer(job, operation, "failure", code, "no such image")

    def result(self, job: Entry, operation: str, outcome: str, code: str, message: str) -> dict[str, str]:
        """The fields of an answer."""
        started = (operation, outcome) == ("start", "success")
        return {
            "operation": operation,
            "requested_at_ms": job["requested_at_ms"],
            "game_id": job["game_id"],
            "outcome": outcome,
            "container_id": CONTAINER if started else "",
            "engine_endpoint": f"http://game-{job['game_id']}:8080" if started else "",
            "error_code": code,
            "error_message": message,
        }

    def _answer(self, job: Entry, operation: str, outcome: str, code: str, message: str) -> str:
        return self._streams.publish(schema.JOB_RESULTS, self.result(job, operation, outcome, code, message))

    def _of(self, stream: str, game_id: str) -> list[Entry]:
        return [entry for entry in self._streams.entries(stream) if entry["game_id"] == game_id]

    def _nth(self, stream: str, game_id: str, number: int) -> Entry:
        def there() -> Entry | None:
            found = self._of(stream, game_id)
            return found[number - 1] if len(found) >= number else None

        entry = until(f"job {number} of {game_id} on {stream}", there)
        if entry is None:  # `until` returns true values only; this tells the type checker
            raise AssertionError
        return entry
