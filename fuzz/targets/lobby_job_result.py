"""Target: entries of `runtime:job_results`."""

from lobby.entries import fields as read
from lobby.results import JobResult
from servicekit.streams import Entry, Reject

from targets.inputs import fields


def check(data: bytes) -> bool:
    """An entry is set aside with the name of a field, or each field is there as it was written."""
    entry = Entry("1-0", fields(data))
    try:
        result = read(entry, JobResult)
    except Reject as error:
        assert str(error)
        return False
    assert {name: value.decode() for name, value in entry.fields.items()} == {
        name: getattr(result, name) for name in result.__struct_fields__
    }
    assert 0 < int(result.requested_at_ms) < 10**16
    assert "\0" not in result.error_message
    return True
