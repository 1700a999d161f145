"""Event: one thing that happened in a test, and its line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

_SCALARS: Final = (str, int, float, bool, type(None))
_encode: Final = json.JSONEncoder(
    ensure_ascii=False
).encode  # json.dumps would make an encoder for every event


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at`, in seconds since the timeline began."""

    at: float
    source: str
    """What it happened to: `test`, a process, a client, a stub, a proxy, a stream."""
    kind: str
    detail: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)

    def line(self, began: float) -> str:
        """One line of JSON, its end included; `began` is when the timeline began, in Unix seconds.

        Times have the forms of RFC 3339 (`ts`, UTC, milliseconds) and of seconds since the beginning (`at_s`).
        """
        ts = datetime.fromtimestamp(began + self.at, UTC).isoformat(timespec="milliseconds")
        document: dict[str, object] = {
            "ts": ts.replace("+00:00", "Z"),
            "at_s": round(self.at, 6),
            "source": self.source,
            "event": self.kind,
        }
        if self.detail:
            document["detail"] = self.detail
        for name, value in self.fields.items():
            if value is not None:
                document.setdefault(name, value if isinstance(value, _SCALARS) else str(value))
        return _encode(document) + "\n"
