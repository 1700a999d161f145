"""Target: log lines, whatever is logged."""

import json
import logging

from servicekit.logs import REDACTED, JsonFormatter

from targets.inputs import fields

FORMATTER = JsonFormatter()
OWN = ("ts", "level", "logger", "event", "message")


def check(data: bytes) -> bool:
    """A record is one line of JSON with the line's own keys; what is called a secret is not in it, nor is an address."""
    given = {name: value.decode(errors="surrogateescape") for name, value in fields(data).items()}
    record = logging.LogRecord("fuzz", logging.INFO, __file__, 1, "happened", (), None)
    record.__dict__["servicekit_fields"] = {**given, "token": "s3cr3t-" * 3, "raw": data, "nested": [given]}
    line = FORMATTER.format(record)
    assert "\n" not in line
    document = json.loads(line)
    assert document["event"] == "happened"
    assert document["level"] == "INFO"
    assert document["token"] == REDACTED
    plain = logging.LogRecord("fuzz", logging.INFO, __file__, 1, data.decode("latin-1"), (), None)
    line = FORMATTER.format(plain)
    assert "\n" not in line
    assert set(json.loads(line)) == set(OWN)
    assert "ada@example.test" not in line
    return bool(given)
