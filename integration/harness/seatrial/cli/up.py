"""`seatrial up`: a suite's topology for a person, with its logs, until Ctrl-C."""

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

from seatrial.cli.output import plain_table, styled
from seatrial.cli.repository import Topology
from seatrial.environment import Environment
from seatrial.errors import SeatrialError
from seatrial.processes.logfile import LogFile, Record
from seatrial.waiting import WATCH

_LOOK_INTERVAL = 0.05
_PALETTE = ("cyan", "magenta", "green", "blue", "yellow", "bright_cyan", "bright_magenta")
_LEVELS = {"DEBUG": "dim", "INFO": "green", "WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_SHOWN_APART = frozenset({"ts", "level", "logger", "event"})


@dataclass
class Stream:
    """A log file that is followed."""

    name: str
    log: LogFile
    style: str
    offset: int = 0
    rest: bytes = field(default=b"", repr=False)

    def lines(self) -> Iterator[str]:
        """The lines that were completed since the last time."""
        try:
            with Path(self.log.path).open("rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return
        self.offset += len(data)
        *complete, self.rest = (self.rest + data).split(b"\n")
        for line in complete:
            yield line.decode("utf-8", "replace")


class Streams:
    """The logs of everything in an environment, merged as they grow."""

    def __init__(self, environment: Environment, console: Console) -> None:
        self._environment = environment
        self._console = console
        self._styles = itertools.cycle(_PALETTE)
        self._streams: dict[str, Stream] = {}

    def show(self) -> None:
        """Print what is new; processes that were started meanwhile are included."""
        for name, part in self._environment.logs().items():
            if name not in self._streams:
                self._streams[name] = Stream(name, part.log, next(self._styles))
        width = max(map(len, self._streams), default=0)
        for stream in self._streams.values():
            for line in stream.lines():
                prefix = styled(f"{stream.name:{width}} | ", stream.style)
                self._console.print(prefix + rendered(Record.parse(line)))


def rendered(record: Record) -> Text:
    """A JSON record as a person reads it, any other line as it is."""
    if record.event is None:
        return Text(record.line)
    level = record.level or ""
    text = Text()
    text.append(f"{(record.ts or '')[11:23]} ", style="dim")
    text.append(f"{level:7} ", style=_LEVELS.get(level, ""))
    text.append(record.event, style="bold")
    for name, value in record.fields.items():
        if name not in _SHOWN_APART:
            text.append(f" {name}=", style="dim")
            text.append(value if isinstance(value, str) else json.dumps(value))
    return text


def show_addresses(environment: Environment, console: Console) -> None:
    """What runs, and where it listens."""
    table = plain_table("process", "pid", "ready after", "listener", "address")
    for process in environment.processes:
        facts = (process.name, str(process.pid), f"{process.boot_time * 1000:.0f} ms")
        for listener in process.service.listeners or ():
            table.add_row(*facts, listener.name, str(process.address(listener.name)))
            facts = ("", "", "")
        if facts[0]:
            table.add_row(*facts, "-", "-")
    for store in environment.stores:
        process_id = str(store.process.pid) if store.process is not None else "not ours"
        table.add_row(store.name, process_id, "-", store.url.partition(":")[0], store.url)
    for stub in environment.stubs:
        table.add_row(stub.name, "stub", "-", "http", stub.url())
    console.print(table)


def up(name: str, boot: Topology, logs: Path, console: Console) -> None:
    """Boot, show, and return at Ctrl-C, when everything has been stopped. Raises `SeatrialError` when something dies."""
    shutil.rmtree(logs, ignore_errors=True)
    with Environment.open(name, artifacts=logs, check=False) as environment:
        streams = Streams(environment, console)
        try:
            boot(environment)
            for process in environment.processes:
                process.wait_ready()
            show_addresses(environment, console)
            console.print(f"{name} is up; logs in {logs}; Ctrl-C stops it")
            while True:
                streams.show()
                WATCH.pause(_LOOK_INTERVAL)
        except KeyboardInterrupt:
            streams.show()
            console.print(f"stopping {name}")
        except SeatrialError:
            streams.show()
            raise
