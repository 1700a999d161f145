"""What the harness' own tests share: real children, written as a few lines of Python each."""

import itertools
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seatrial.processes.process import Event, Process, SpawnContext
from seatrial.processes.warmboot import Preload
from seatrial.results import reports
from seatrial.results.reports import Failure, RunResult
from seatrial.service import Binary, Service

# Every child can notify, and ends with exit code 0 at SIGTERM once it has called `serve`.
FUNCTIONS = """
import os, signal, socket, subprocess, sys, time
def notify(*lines):
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.sendto("\\n".join(lines).encode(), os.environ["NOTIFY_SOCKET"])
def forever():
    while True:
        os.read(wakeup, 1)
def serve(*lines):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    notify("READY=1", *lines)
    forever()
def say(text):
    os.write(2, text.encode() + b"\\n")
"""
# signal.pause() misses a signal that comes just before it; what is in a pipe stays there.
WAKEUP = """
wakeup, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
"""
PRELUDE = FUNCTIONS + WAKEUP


@dataclass(frozen=True)
class Argv:
    """A binary that is there."""

    words: Sequence[str]

    def command(self) -> Sequence[str]:
        """The words."""
        return self.words


@dataclass(frozen=True)
class Script:
    """A Python program with one module, both of which are there: it can boot warm."""

    path: Path
    module: str

    @classmethod
    def write(cls, directory: Path, name: str, late: str, body: str) -> "Script":
        """A program `name` in `directory`: on import it runs `late`, and `body` as its main function."""
        directory.mkdir(parents=True, exist_ok=True)
        function = textwrap.indent(f"global wakeup, waker{WAKEUP}{body}", "    ")
        text = f"{FUNCTIONS}{late}\ndef main():\n{function}\n"
        (directory / f"{name}_main.py").write_text(text, encoding="utf-8")
        path = directory / name
        path.write_text(f"#!{sys.executable}\nimport sys\nfrom {name}_main import main\nsys.exit(main())\n")
        path.chmod(0o755)
        return cls(path, f"{name}_main")

    def command(self) -> Sequence[str]:
        """The script."""
        return (str(self.path),)

    def preloaded(self) -> Preload:
        """The same interpreter, and the module."""
        return Preload(sys.executable, str(self.path), (self.module,))


def python(body: str) -> Argv:
    """A child that runs `body` after the prelude; without site-packages, it starts fast."""
    return Argv((sys.executable, "-I", "-S", "-c", PRELUDE + body))


class Children:
    """Spawns children in a directory, and ends them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.events: list[Event] = []
        self._processes: list[Process] = []
        self._numbers = itertools.count(1)

    def spawn(self, body: str | Binary, context: dict[str, Any] | None = None, **fields: Any) -> Process:
        """A process of a service with `fields`, whose program is `body`."""
        number = next(self._numbers)
        binary = python(body) if isinstance(body, str) else body
        service = Service(**{"name": f"child{number}", "log_format": "plain", "binary": binary, **fields})
        place = {"directory": self.directory / "work", "log_path": self.directory / f"{number}.log"}
        process = Process.spawn(
            service, SpawnContext(**{**place, "on_event": self.events.append, **(context or {})})
        )
        self._processes.append(process)
        return process

    def start(self, body: str | Binary, **fields: Any) -> Process:
        """The same, and ready."""
        process = self.spawn(body, **fields)
        process.wait_ready()
        return process

    def close(self) -> None:
        """End all of them."""
        for process in self._processes:
            process.close()


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Children of this test."""
    its = Children(tmp_path)
    try:
        yield its
    finally:
        its.close()


# Whole pytest runs, in processes of their own, over tests that break a rule of the plugin.

SUPPORT = '''
"""Children for the inner tests."""
import sys
from seatrial import Command, Service

PRELUDE = """
import json, os, signal, socket, subprocess, sys, time
def notify(*lines):
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.sendto("\\\\n".join(lines).encode(), os.environ["NOTIFY_SOCKET"])
def log(level, event, **fields):
    os.write(2, json.dumps(dict(level=level, event=event, **fields)).encode() + b"\\\\n")
# As above: signal.pause() would miss a signal that comes just before it.
wakeup, waker = os.pipe()
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)
def forever():
    while True:
        os.read(wakeup, 1)
def serve(code=0):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
    notify("READY=1")
    forever()
"""

def service(body="serve()", name="child", **fields):
    return Service(name=name, binary=Command(sys.executable, "-I", "-S", "-c", PRELUDE + body), **fields)
'''
_PASSED = re.compile(r"^PASSED \S*::(\S+)", re.MULTILINE)
_NOT_INHERITED = re.compile(r"PYTEST|PYTHON|CI$|GITHUB_|INTEGRATION_|SEATRIAL_")


@dataclass(frozen=True)
class InnerRun:
    """What a pytest run came to."""

    root: Path
    status: int
    output: str
    tier: str = reports.LOCAL_TIER

    @property
    def result(self) -> RunResult:
        """Its result file."""
        result = reports.load(self.root / "reports", self.tier)
        assert result is not None, self.output
        return result

    @property
    def passed(self) -> set[str]:
        """The names of the tests that passed."""
        return set(_PASSED.findall(self.output)) - {
            failure.nodeid.partition("::")[2] for failure in self.result.failures
        }

    def failure(self, name: str) -> Failure:
        """The one failure of a test."""
        found = [failure for failure in self.result.failures if failure.nodeid.endswith(name)]
        assert len(found) == 1, f"{name} has {len(found)} failures, expected was one\n{self.output}"
        return found[0]

    def artifacts(self, name: str) -> Path:
        """The directory that a failed test left."""
        path = self.failure(name).artifacts
        assert path is not None
        return self.root / path


@dataclass(frozen=True)
class Inner:
    """A project of its own, whose tests the plugin sees."""

    root: Path

    def write(self, name: str, text: str) -> None:
        """Put a file into it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    def command(self, *arguments: str, plugins: Sequence[str] = ()) -> list[str]:
        """How pytest is started in it."""
        named = [word for plugin in ("seatrial.plugin", *plugins) for word in ("-p", plugin)]
        return [
            sys.executable,
            "-m",
            "pytest",
            *named,
            "-p",
            "no:cacheprovider",
            "-rA",
            "--tb=short",
            *arguments,
        ]

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment in which it is started: what the outer run was told stays outside."""
        kept = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.match(name)}
        path = os.pathsep.join([str(self.root), *filter(None, sys.path)])
        return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path, **(variables or {})}

    def run(
        self,
        *arguments: str,
        plugins: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        tier: str = reports.LOCAL_TIER,
    ) -> InnerRun:
        """Run its tests to their end."""
        done = subprocess.run(
            self.command(*arguments, plugins=plugins),
            cwd=self.root,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return InnerRun(self.root, done.returncode, done.stdout, tier)


@pytest.fixture(scope="session")
def new_inner(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Inner]:
    """Makes projects; the text is that of their one test module, more can be written."""

    def make(tests: str) -> Inner:
        inner = Inner(tmp_path_factory.mktemp("inner"))
        inner.write("pytest.ini", "[pytest]\npython_files = *_test.py\naddopts = --strict-markers\n")
        inner.write("support.py", SUPPORT)
        inner.write("inner_test.py", tests)
        return inner

    return make
