"""Target: entries of `runtime:start_jobs` and `runtime:stop_jobs`."""

from rtmanager.jobs import read
from servicekit.streams import Entry, Reject

from targets.inputs import chosen, fields


def check(data: bytes) -> bool:
    """An entry (`start` or `stop` on the first line) is set aside with the name of a field, or read as it was written."""
    kind, rest = chosen(data)
    if kind not in ("start", "stop"):
        return False
    entry = Entry("1-0", fields(rest))
    try:
        job = read("start" if kind == "start" else "stop", entry)
    except Reject as error:
        assert str(error)
        return False
    assert {name: value.encode() for name, value in job.items()} == entry.fields
    assert 0 < int(job["requested_at_ms"]) < 10**16
    assert 1 <= len(job["game_id"]) <= 58
    assert "/" not in job["game_id"]
    assert job["game_id"] not in {".", ".."}
    return True
