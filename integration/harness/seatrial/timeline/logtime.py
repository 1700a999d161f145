"""Log time: when a line of a log was written, as the line itself says, in the formats that are usual."""

import re
from datetime import datetime
from typing import Final

_ISO_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?")
_VALKEY_TIME: Final = re.compile(r"\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}")
_TIME_WITHIN: Final = 60


def unix_time(line: str) -> float | None:
    """The time near the beginning of a log line, in Unix seconds; None when there is none that is known.

    Known are ISO 8601, as most loggers write it, and the format of Redis and Valkey. A time that names no zone
    is local time.
    """
    head = line[:_TIME_WITHIN]
    try:
        if match := _ISO_TIME.search(head):
            return datetime.fromisoformat(match[0].replace(",", ".")).timestamp()
        if match := _VALKEY_TIME.search(head):
            return datetime.strptime(match[0], "%d %b %Y %H:%M:%S.%f").astimezone().timestamp()
    except ValueError:
        pass
    return None
