"""How a database of a service is before the service uses it: prepared once for each server, then copied for each test."""

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final, Self

from seatrial.processes.process import Process, SpawnContext
from seatrial.processes.supervisor import Supervisor
from seatrial.service import Service
from seatrial.stores.postgres_session import reason
from seatrial.stores.store import StoreError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,19}")
_NUMBERED: Final = re.compile(r"([0-9]+)[^/]*\.sql")
_COMMAND_TIMEOUT: Final = 30.0


def _nothing(_: str) -> None:
    """An empty database is ready."""


@dataclass(frozen=True, slots=True)
class Template:
    """A database to copy.

    `name` begins the names of its copies: a letter, then letters, digits and _, 20 at most, all lower case. `prepare` is called
    once for each server with the DSN of an empty database that the role in it owns; it returns when it has made all that every
    copy shall have, and has closed its connections. Templates of one name and one `content_key` are the same: the key must
    be another one when `prepare` would do something else. Raises `StoreError` for a name that cannot be.
    """

    name: str
    content_key: str = ""
    prepare: Callable[[str], object] = field(default=_nothing, compare=False)

    EMPTY: ClassVar["Template"]
    """A database without anything in it."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise StoreError(
                f"template {self.name!r}: a name is a lower case letter, then at most 19 letters, digits and _"
            )

    @property
    def database(self) -> str:
        """The name of the sealed database."""
        return f"template_{self.name}_{hashlib.sha256(self.content_key.encode()).hexdigest()[:8]}"

    @classmethod
    def from_sql(cls, directory: Path, *, name: str = "sql") -> Self:
        """What the files `<number><anything>.sql` in a directory make, each run in a transaction, in the order of their numbers.

        Raises `StoreError` for a directory without any, and for two files of one number.
        """
        files: dict[int, Path] = {}
        for path in sorted(directory.glob("*.sql")) if directory.is_dir() else ():
            match = _NUMBERED.fullmatch(path.name)
            if match is None:
                raise StoreError(f"template {name}: {path} has no number; call it like 0001_games.sql")
            if (other := files.setdefault(int(match[1]), path)) != path:
                raise StoreError(
                    f"template {name}: {path} and {other.name} have one number; renumber one of them"
                )
        if not files:
            raise StoreError(f"template {name}: no numbered .sql files in {directory}; correct the path")
        scripts = [(files[number], files[number].read_text(encoding="utf-8")) for number in sorted(files)]
        content = "\0".join(f"{path.name}\0{text}" for path, text in scripts)
        key = hashlib.sha256(content.encode()).hexdigest()
        return cls(name, key, lambda dsn: _run_scripts(name, dsn, scripts))

    @classmethod
    def from_command(
        cls,
        service: Service,
        arguments: Sequence[str] = ("migrate",),
        *,
        dsn_variable: str,
        environment: Mapping[str, str] | None = None,
        name: str | None = None,
        timeout: float = _COMMAND_TIMEOUT,
    ) -> Self:
        """What a service's own command makes of an empty database: it gets the DSN in a variable, and must exit with 0.

        `arguments` are used in place of the service's; `environment` comes on top of its variables. The command's log is
        judged like that of any process. `timeout` is in seconds. `name` is the service's unless given.
        """
        command = service.replace(
            name=f"{service.name}-{arguments[0] if arguments else 'template'}",
            arguments=tuple(arguments),
            listeners=(),
            environment={**service.environment, **(environment or {})},
        )
        name = name or re.sub(r"[^a-z0-9]+", "_", service.name.lower())[:20]
        key = repr((service.binary, tuple(arguments), sorted(command.environment.items())))
        return cls(name, key, lambda dsn: _run_command(name, command, {dsn_variable: dsn}, timeout))


Template.EMPTY = Template("empty")


def _run_scripts(name: str, dsn: str, scripts: Sequence[tuple[Path, str]]) -> None:
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        for path, text in scripts:
            try:
                with connection.transaction():
                    connection.execute(text.encode())
            except psycopg.Error as error:
                position = error.diag.statement_position
                line = f" in line {text.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
                raise StoreError(f"template {name}: {path} failed{line}: {reason(error)}") from None


def _run_command(name: str, command: Service, variables: Mapping[str, str], timeout: float) -> None:
    directory = Supervisor.current().temporary_directory(f"template-{name}")
    try:
        context = SpawnContext(
            directory=directory, log_path=directory / f"{command.name}.log", environment=variables
        )
        process = Process.spawn(command, context)
        try:
            process.expect_exit(code=0)
            process.wait_exit(timeout)
        finally:
            process.close()
        if problems := process.problems():
            raise StoreError(f"template {name}: {'; '.join(map(str, problems))}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
