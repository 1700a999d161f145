"""Target: the events of a container engine, as the harness hears them."""

import io

from seatrial.containers.events import EngineEvent
from seatrial.containers.streams import documents


def check(data: bytes) -> bool:
    """A line is an event, or ends the stream with a ValueError, after which it is opened again."""
    try:
        events = [EngineEvent.parse(document) for document in documents(io.BytesIO(data).readline)]
    except ValueError as error:
        assert str(error)
        return False
    for event in events:
        assert event.container
        assert event.at >= 0
    return bool(events)
