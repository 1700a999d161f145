"""Target: entries of `notification:intents`."""

import json

from notification.catalogue import load
from notification.intents import MAX_PAYLOAD_BYTES, MAX_RECIPIENTS, InvalidIntent, parse

from targets.inputs import fields

CATALOGUE = load()


def check(data: bytes) -> bool:
    """An entry is invalid with a stable code, or an intent of the catalogue, whose payload is what any reader of JSON sees."""
    entry = fields(data)
    try:
        intent = parse(entry, CATALOGUE)
    except InvalidIntent as error:
        assert str(error).partition(":")[0] in {"malformed_intent", "unknown_notification_type"}
        return False
    known = CATALOGUE[intent.notification_type]
    assert intent.audience_kind == known.audience_kind
    assert len(intent.recipients) <= MAX_RECIPIENTS
    assert bool(intent.recipients) == (known.audience_kind == "user")
    assert len(set(intent.recipients)) == len(intent.recipients)
    payload = json.loads(intent.payload)
    assert payload == json.loads(entry["payload"])
    assert list(payload) == list(known.fields)
    assert len(entry["payload"]) <= MAX_PAYLOAD_BYTES
    again = parse({**entry, "payload": intent.payload}, CATALOGUE)
    assert again == intent
    assert again.content_hash == intent.content_hash
    return True
