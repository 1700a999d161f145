"""The stream of an engine's events breaks, and nothing that happened meanwhile is missed."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.containers.container import Container
from seatrial.containers.engine import Engine
from seatrial.containers.events import EngineEvent, EventStream
from seatrial.containers.spec import ContainerSpec
from seatrial.containers.wire import Place
from seatrial.errors import ProcessDied
from seatrial.waiting import WATCH, until

pytestmark = pytest.mark.requires("docker")


class Relay:
    """A socket that leads to the engine's, and can be cut."""

    def __init__(self, path: Path, target: str) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._cut = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it was cut
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        self._cut = True
        self._shut()

    def mend(self) -> None:
        """Let new ones through."""
        self._cut = False

    def _shut(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):  # it has ended by itself
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def close(self) -> None:
        """End everything."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._shut()


@pytest.fixture
def relay(tmp_path: Path, engine: Engine) -> Iterator[Relay]:
    made = Relay(tmp_path / "e.sock", engine.place.path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def far(relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The engine behind the relay, as the one of this process."""
    engine = Engine(Place(f"unix://{tmp_path}/e.sock"))
    monkeypatch.setattr(Engine, "_current", engine)
    monkeypatch.setattr(EventStream, "_current", None)
    try:
        yield engine
    finally:
        relay.mend()
        engine.close()


@pytest.fixture
def told() -> list[str]:
    """What the container heard of the engine."""
    return []


@pytest.fixture
def container(far: Engine, image: str, tmp_path: Path, told: list[str]) -> Iterator[Container]:
    spec = ContainerSpec(image=image, command=["sleep", "1000"], stop_timeout=0.1)
    made = Container(
        far,
        spec,
        name="it",
        engine_name=f"events-{far.owner.key}-{id(spec)}",
        log_path=tmp_path / "it.log",
        labels=far.owner.labels(),
        on_event=lambda event: told.append(event.kind),
    )
    try:
        made.start()
        yield made
    finally:
        made.close()


def expect_lost() -> None:
    with pytest.raises(ProcessDied, match="the container engine cannot be heard any more"):
        until("the moon to rise", lambda: None, 20)


def expect_heard() -> None:
    assert EventStream.current().wait_heard(20)
    WATCH.check()


def test_an_engine_that_is_lost_ends_every_wait(relay: Relay, container: Container) -> None:
    assert container.state == "running"
    relay.cut()
    expect_lost()
    relay.mend()
    expect_heard()


@pytest.mark.parametrize("happening", ["dies", "is removed"])
def test_what_happened_while_the_engine_could_not_be_heard_is_told(
    relay: Relay, container: Container, engine: Engine, happening: str
) -> None:
    container.expect_exit()
    relay.cut()
    expect_lost()
    if happening == "dies":
        engine.api.kill(container.id)
        engine.api.wait(container.id)
    else:
        engine.api.remove_container(container.id, force=True)
    assert container.state == "running"
    relay.mend()
    expect_heard()
    assert container.state == {"dies": "exited", "is removed": "removed"}[happening]


@pytest.mark.parametrize("happening", ["dies", "is removed"])
def test_a_missed_event_that_comes_late_does_not_bring_a_former_state_back(
    far: Engine, container: Container, told: list[str], happening: str
) -> None:
    container.expect_exit()
    far.api.kill(container.id)
    far.api.wait(container.id)
    if happening == "is removed":
        far.api.remove_container(container.id)
    state = {"dies": "exited", "is removed": "removed"}[happening]
    until("the end to be heard", lambda: container.state == state, 20)
    before = list(told)
    container._heard(EngineEvent(far.now, container.id, "die", {"exitCode": "3"}))
    assert (container.state, told) == (state, before)
    assert container.exit is not None
    assert container.exit.code == {"dies": 137, "is removed": 3}[happening]


def test_what_is_told_twice_is_heard_once(relay: Relay, container: Container, told: list[str]) -> None:
    container.pause()
    container.resume()
    relay.cut()
    expect_lost()
    relay.mend()
    expect_heard()
    container.pause()
    container.resume()
    assert [kind for kind in told if kind != "seen"] == ["spawned", "pause", "unpause", "pause", "unpause"]
