"""Configuration from environment variables into a frozen dataclass.

A service declares its variables as fields; every problem is collected, so that an operator sees all of them at once::

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(ServiceConfig):
        redis_url: str = variable(url("redis", "unix"), help="The store")
        signing_key: bytes = variable(base64_key(32), secret=True, help="Ed25519 seed")

With the prefix ``GATEWAY`` these are ``GATEWAY_REDIS_URL`` and ``GATEWAY_SIGNING_KEY``; the latter, being secret, may
be given by ``GATEWAY_SIGNING_KEY_FILE``, the path of a file that holds it (without that, a secret would have to sit in
the environment, which children and crash reports inherit).
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from servicekit.parsers import Parser, integer, milliseconds, one_of, size

T = TypeVar("T")
C = TypeVar("C", bound="ServiceConfig")

_KEY: Final = "servicekit.variable"


class ConfigError(Exception):
    """What is wrong with the configuration: one line a problem, ``NAME: reason (remedy)``."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """One environment variable: how it is read and how it is described."""

    parse: Parser[Any]
    default: str | None
    required: bool
    unit: str
    help: str
    secret: bool
    name: str = ""

    @property
    def file_name(self) -> str | None:
        """Name of the variable that names a file with the value; only secrets have one."""
        return f"{self.name}_FILE" if self.secret else None


def variable(
    parse: Parser[T],
    *,
    default: str | None = None,
    unit: str = "",
    help: str,
    secret: bool = False,
    name: str = "",
) -> T:
    """Declare a field that always has a value.

    ``default`` is the text that stands for an absent variable and goes through the same parser; without one the
    variable is required. ``unit`` is shown by ``--help``. ``name`` is for a variable that is called the same in every
    service and so has no prefix.
    """
    required = default is None
    declared = Variable(
        parse=parse, default=default, required=required, unit=unit, help=help, secret=secret, name=name
    )
    field: T = dataclasses.field(metadata={_KEY: declared})
    return field


def optional(parse: Parser[T], *, unit: str = "", help: str, secret: bool = False) -> T | None:
    """Declare a field that is None when its variable is absent or empty."""
    declared = Variable(parse=parse, default=None, required=False, unit=unit, help=help, secret=secret)
    field: T | None = dataclasses.field(metadata={_KEY: declared})
    return field


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceConfig:
    """The variables that every service has."""

    stop_timeout_ms: int = variable(
        milliseconds(minimum=0),
        default="5000",
        unit="ms",
        help="Budget of the drain after SIGTERM; then work is cut off",
    )
    log_level: str = variable(
        one_of("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO", help="Least level that is logged"
    )
    body_limit_bytes: int = variable(
        size(minimum=1),
        default="16KiB",
        unit="bytes",
        help="Largest request body; more is 413 request_too_large",
    )
    body_timeout_ms: int = variable(
        milliseconds(minimum=1),
        default="10000",
        unit="ms",
        help="Time to send a request's head, and again its body",
    )
    max_connections: int = variable(
        integer(minimum=1),
        default="1024",
        help="Open HTTP connections per listener; one more is closed at once",
    )

    @classmethod
    def conflicts(cls, prefix: str, values: Mapping[str, Any]) -> list[str]:  # noqa: ARG003 - for services to override
        """Say what is wrong with variables taken together, one line a problem.

        ``values`` are by field, without those that are wrong by themselves.
        """
        return []


def variables(config: type[ServiceConfig], prefix: str) -> Iterator[tuple[str, Variable]]:
    """Give each field of the configuration with its variable, named ``PREFIX_FIELD`` if it has no name of its own."""
    for field in dataclasses.fields(config):
        declared: Variable | None = field.metadata.get(_KEY)
        if declared is None:
            raise TypeError(f"{config.__name__}.{field.name} is not declared by variable() or optional()")
        yield (
            field.name,
            dataclasses.replace(declared, name=declared.name or f"{prefix}_{field.name.upper()}"),
        )


def load(
    config: type[C],
    prefix: str,
    environment: Mapping[str, str],
    on_secret: Callable[[str], object] | None = None,
    only: tuple[str, ...] = (),
) -> C:
    """Read the configuration.

    An empty variable counts as absent. ``on_secret`` is told the text of every secret, so that it can be kept out of the
    logs. With ``only``, just the fields whose names begin so are read; the others are None, whatever their type says.
    Raises ConfigError with every problem of every variable that is read.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for field, declared in variables(config, prefix):
        if only and not field.startswith(only):
            values[field] = None
            continue
        try:
            values[field] = _read(declared, environment, on_secret)
        except ValueError as problem:
            problems.append(f"{declared.name}: {problem}")
    if not only:
        problems += config.conflicts(prefix, values)
    if problems:
        raise ConfigError(problems)
    return config(**values)


def _read(
    declared: Variable, environment: Mapping[str, str], on_secret: Callable[[str], object] | None
) -> Any:
    text = environment.get(declared.name) or None
    path = environment.get(declared.file_name) or None if declared.file_name else None
    if text is not None and path is not None:
        raise ValueError(f"is set together with {declared.file_name} (set one of them)")
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read().strip() or None
        except (OSError, UnicodeDecodeError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "is not UTF-8 text"
            raise ValueError(
                f"{declared.file_name} names {path!r}: {reason} (give a readable file)"
            ) from None
        if text is None:
            raise ValueError(
                f"{declared.file_name} names {path!r}: the file is empty (write the value into it)"
            )
    if text is None:
        text = declared.default
    if text is None:
        if declared.required:
            also = f" or {declared.file_name}" if declared.file_name else ""
            raise ValueError(f"is missing (set it{also}: {declared.help})")
        return None
    if declared.secret and on_secret is not None:
        on_secret(text)
    try:
        return declared.parse(text)
    except ValueError as problem:
        if declared.secret:
            # A parser's reason may quote what it was given.
            reason = str(problem).replace(text, "[redacted]")
            raise ValueError(reason) from None
        raise


def usage(config: type[ServiceConfig], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Give (name, default or "required"/"optional", description) of every variable, for ``--help``."""
    for _, declared in variables(config, prefix):
        unit = f" [{declared.unit}]" if declared.unit else ""
        absent = "required" if declared.required else "optional"
        state = absent if declared.default is None else f"default {declared.default}"
        yield declared.name, state, declared.help + unit
        if declared.file_name:
            yield declared.file_name, "optional", f"File that holds {declared.name}"
