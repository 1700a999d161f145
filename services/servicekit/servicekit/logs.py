"""Logs: one JSON object per line on stderr, and nothing secret in it.

Keys of a line: ``ts`` (RFC 3339, UTC, microseconds), ``level``, ``logger``, ``event`` (a stable snake_case name), the
event's own fields, ``trace_id`` when the task works for a trace, and ``exception`` when there is one. A line of a
third-party library has the event ``message`` and its text in ``message``.
"""

import logging
import re
import sys
import time
from typing import Any, Final, TextIO

import msgspec

from servicekit import tracing

REDACTED: Final = "[redacted]"

#: A field is redacted if one of the words of its name is here: what must never reach a log is caught by what it is called.
SECRET_WORDS: Final = frozenset(
    {
        "authorization", "body", "code", "cookie", "email", "key", "keys", "password", "payload", "secret", "seed",
        "signature", "token",
    }
)  # fmt: skip

#: Names that contain such a word and are harmless.
HARMLESS: Final = frozenset(
    {"error_code", "exit_code", "key_id", "reason_code", "status_code", "x_error_code", "body_limit_bytes"}
)

_EMAIL: Final = re.compile(r"[^\s@<>\"(),;:]+@[^\s@<>\"(),;:]+")
_FIELDS: Final = "servicekit_fields"
_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Keep this text out of every later line, wherever it turns up. Texts under 8 characters are too common to hide."""
    if len(secret) >= 8:
        _hidden.add(secret)


def scrub(text: str) -> str:
    """Take hidden secrets and e-mail addresses out of a text; bytes that were no text in it are shown by their numbers."""
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    for secret in _hidden:
        if secret in text:
            text = text.replace(secret, REDACTED)
    return _EMAIL.sub("[email]", text) if "@" in text else text


def _is_secret(name: str) -> bool:
    return name not in HARMLESS and not SECRET_WORDS.isdisjoint(name.lower().replace("-", "_").split("_"))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{len(value)} bytes]"
    if isinstance(value, dict):
        return {
            scrub(str(name)): REDACTED if _is_secret(str(name)) else _clean(item)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return scrub(str(value))


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, without its end."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = "ERROR" if record.levelno > logging.ERROR else record.levelname
        line: dict[str, Any] = {
            "ts": f"{stamp}.{int(record.created % 1 * 1_000_000):06d}Z",
            "level": level,
            "logger": record.name,
        }
        fields: dict[str, Any] | None = getattr(record, _FIELDS, None)
        if fields is None:
            line["event"] = "message"
            line["message"] = scrub(record.getMessage())
        else:
            line["event"] = record.msg
            for name, value in fields.items():
                # A field cannot pass itself off as one of the line's own keys.
                own = f"{name}_" if name in {"ts", "level", "logger", "event", "exception"} else scrub(name)
                line[own] = REDACTED if _is_secret(name) else _clean(value)
        trace = tracing.current()
        if trace is not None:
            line.setdefault("trace_id", trace)
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode(errors="backslashreplace")


class Log:
    """A named logger. Its methods take the event's stable name, then the event's fields by keyword."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def _log(
        self, level: int, event: str, fields: dict[str, Any], exc_info: bool | BaseException = False
    ) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, exc_info=exc_info, extra={_FIELDS: fields})

    def debug(self, event: str, /, **fields: Any) -> None:
        """What a developer wants to see, off by default."""
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        """What an operator wants to see of a healthy service."""
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Something outside the service is wrong; it copes."""
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """The service failed to do what it promises."""
        self._log(logging.ERROR, event, fields)

    def failure(self, event: str, problem: BaseException, /, **fields: Any) -> None:
        """As error, with an exception that was caught elsewhere."""
        self._log(logging.ERROR, event, fields, problem)

    def exception(self, event: str, /, **fields: Any) -> None:
        """As error, with the exception that is being handled."""
        self._log(logging.ERROR, event, fields, True)


def get(name: str) -> Log:
    """Give the logger of that name, such as ``gateway.relay``."""
    return Log(logging.getLogger(name))


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every logger's lines from ``level`` on to ``stream`` (stderr), as JSON."""
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    # Not our events: the debug chatter of asyncio and grpc, and uvicorn's own start and stop lines, which app.py reports.
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("grpc").setLevel(max(logging.INFO, root.level))
    logging.getLogger("uvicorn.access").disabled = True
