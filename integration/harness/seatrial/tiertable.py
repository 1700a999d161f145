"""A table of a tiers file, read strictly, key by key: every mistake is one line with the key, the reason and the remedy."""

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Final

_DURATION = re.compile(r"([1-9][0-9]{0,8}) (s|min|h)")
_UNITS: Final = {"s": 1, "min": 60, "h": 3600}


class TierError(Exception):
    """A tiers file that cannot be used: names the file, the key, the reason and the remedy in one line."""

    def __init__(self, file: Path, key: str, reason: str, remedy: str) -> None:
        super().__init__(f"{file}: {key}: {reason} ({remedy})")
        self.file = file
        self.key = key
        self.reason = reason
        self.remedy = remedy


class Table:
    """A TOML table that is read key by key; what nobody asked for is an error at `done`.

    Every reader raises TierError for a value of another form, and for a missing one where nothing else is said.
    """

    def __init__(self, file: Path, key: str, value: Mapping[str, object]) -> None:
        self.file = file
        self.key = key
        self._left = dict(value)
        self._known: list[str] = []

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition(".")[2]

    @property
    def names(self) -> tuple[str, ...]:
        """The keys that nobody has asked for yet."""
        return tuple(self._left)

    def fail(self, name: str, reason: str, remedy: str) -> TierError:
        """The error for one of its keys."""
        return TierError(self.file, f"{self.key}.{name}".strip("."), reason, remedy)

    def _take(self, name: str) -> object | None:
        self._known.append(name)
        return self._left.pop(name, None)

    def done(self) -> None:
        """Raise TierError for a key that nobody asked for."""
        for name in self._left:
            raise self.fail(name, "unknown key", f"known: {', '.join(self._known)}")

    def text(self, name: str) -> str:
        """A text of one line."""
        value = self._take(name)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(name, "missing" if value is None else "not a text", f'write {name} = "..."')
        if "\n" in value or "|" in value:
            raise self.fail(
                name, "has a line break or a |", "it is a cell of a table: keep it on one line, without |"
            )
        return value

    def count(self, name: str) -> int:
        """A whole number from 0 up; 0 when missing."""
        value = self._take(name)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.fail(name, f"{value!r} is not a whole number from 0 up", f"write {name} = 0")
        return value

    def optional_text(self, name: str) -> str:
        """A text of one line; empty when missing."""
        return self.text(name) if name in self._left else ""

    def seconds(self, name: str) -> int:
        """A duration such as `10 min`, in seconds."""
        text = self.text(name)
        match = _DURATION.fullmatch(text)
        if match is None:
            raise self.fail(
                name,
                f"{text!r} is not a duration",
                f'write a whole number and s, min or h: {name} = "10 min"',
            )
        return int(match[1]) * _UNITS[match[2]]

    def day(self, name: str) -> date:
        """A day, as TOML writes it: 2030-12-31, without quotes."""
        value = self._take(name)
        if not isinstance(value, date) or isinstance(value, datetime):
            reason = "missing" if value is None else f"{str(value)!r} is not a day"
            raise self.fail(name, reason, f"write {name} = 2030-12-31, without quotes or time")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of different texts; empty when missing."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.fail(name, "not a list of texts", f'write {name} = ["..."]')
        for item in value:
            if value.count(item) > 1:
                raise self.fail(name, f"{item!r} is listed twice", "list it once")
        return tuple(value)

    def choices(self, name: str, allowed: Collection[str]) -> frozenset[str]:
        """Some of the allowed words; none when missing."""
        chosen = self.texts(name)
        for item in chosen:
            if item not in allowed:
                raise self.fail(name, f"{item!r} is not known", f"use any of: {', '.join(allowed)}")
        return frozenset(chosen)

    def folders(self, name: str) -> tuple[str, ...]:
        """A list of paths below the repository, in their plainest form; empty when missing."""
        paths = self.texts(name)
        for path in paths:
            pure = PurePosixPath(path)
            if pure.is_absolute() or ".." in pure.parts or str(pure) != path:
                raise self.fail(
                    name,
                    f"{path!r} is not a plain path below the repository",
                    "write it like services/gateway",
                )
        return paths

    def table(self, name: str) -> "Table":
        """The table below a key; an empty one when missing."""
        value = self._take(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.fail(name, "not a table", f"write [{self.key}.{name}]".replace("[.", "["))
        return Table(self.file, f"{self.key}.{name}".strip("."), value)

    def tables(self, name: str, pattern: re.Pattern[str]) -> list[tuple[str, "Table"]]:
        """The tables below a key, by their names, which must match the pattern."""
        outer = self.table(name)
        named = []
        for inner in outer.names:
            if not pattern.fullmatch(inner):
                raise outer.fail(inner, "not a good name", f"it must match {pattern.pattern}")
            named.append((inner, outer.table(inner)))
        return named

    def array(self, name: str) -> list["Table"]:
        """The tables of an array of tables; none when missing."""
        value = self._take(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fail(name, "not an array of tables", f"write [[{self.key}.{name}]]")
        return [Table(self.file, f"{self.key}.{name}[{index}]", item) for index, item in enumerate(value)]
