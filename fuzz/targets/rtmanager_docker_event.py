"""Target: events of the Docker engine, as rtmanager follows them."""

import json

from rtmanager.containers import GAME_ID
from rtmanager.watching import read_event


def check(data: bytes) -> bool:
    """Any JSON object is an event; it makes rtmanager look at a game only by that game's label."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return False
    if not isinstance(event, dict):
        return False
    second, game_id = read_event(event)
    assert second >= 0
    if not game_id:
        return False
    assert event["Actor"]["Attributes"][GAME_ID] == game_id
    return True
