"""The platform in containers, brought up and taken down as a person does it: docker/compose."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from byhand import COMPOSE, PATIENCE_S, ByHand, code_for
from contracts import images
from contracts.authsession.internal import Authsession
from contracts.engine.client import Engine
from contracts.gateway.edge import Edge
from contracts.gateway.public import GatewayHttp
from contracts.lobby.client import Lobby
from contracts.rtmanager.client import RuntimeManager
from seatrial import Environment, until
from seatrial.containers.handle import ContainerHandle
from seatrial.containers.streams import Documents
from story import World, play

pytestmark = [
    pytest.mark.requires("docker"),
    pytest.mark.timeout(600),  # the first one on a machine builds every image
]

HEALTHY = "health_status: healthy"
SERVICE = "com.docker.compose.service"


@pytest.fixture
def by_hand(environment: Environment, tmp_path: Path) -> Iterator[ByHand]:
    images.build()
    by_hand = ByHand(environment, tmp_path)
    yield by_hand
    if by_hand.left:
        by_hand.run("down")


def dependencies() -> dict[str, list[str]]:
    """Which services each one waits for."""
    described = yaml.safe_load((COMPOSE / "platform.yaml").read_text(encoding="utf-8"))["services"]
    return {name: sorted(service.get("depends_on", ())) for name, service in described.items()}


def beginnings(events: Documents, services: set[str]) -> dict[tuple[str, str], int]:
    """When each service was started and first found healthy, in ns; reads until all were."""
    found: dict[tuple[str, str], int] = {}
    for event in events:
        service = event["Actor"]["Attributes"].get(SERVICE)
        if service is not None:
            found.setdefault((service, event["Action"]), event["timeNano"])
        if services <= {name for name, action in found if action == HEALTHY}:
            break
    return found


def test_a_whole_game_in_a_platform_of_containers(by_hand: ByHand, environment: Environment) -> None:
    engine = by_hand.engine
    filters = {
        "type": ["container"],
        "event": ["start", "health_status"],
        "label": [f"com.docker.compose.project={by_hand.project}"],
    }
    until_s = f"{engine.now + PATIENCE_S:.6f}"
    with Documents(engine.place, "/events", until=until_s, filters=filters) as events:
        by_hand.run("up", "--detach")
        waits_for = dependencies()
        times = beginnings(events, set(waits_for))
    for service, needed in waits_for.items():
        for dependency in needed:
            assert times[dependency, HEALTHY] <= times[service, "start"], f"{service} before {dependency}"

    at = by_hand.addresses()

    def containers(game: str) -> tuple[ContainerHandle, ...]:
        return environment.engine.containers({"seatrial.rtmanager.game_id": game})

    def engine_of(game: str) -> Engine:
        (container,) = containers(game)
        return Engine(f"http://{container.ip}:8080")

    gateway = GatewayHttp(f"http://{at['gateway http']}")
    with closing(Edge(at["gateway grpc"], gateway.signing_keys())) as edge:
        play(
            World(
                gateway=gateway,
                edge=edge,
                authsession=Authsession(f"http://{at['authsession http']}"),
                lobby=Lobby(f"http://{at['lobby http']}"),
                rtmanager=RuntimeManager(f"http://{at['rtmanager http']}"),
                code_for=lambda address: code_for(at["externals http"], address),
                containers_of=lambda game: len(containers(game)),
                engine_of=engine_of,
                image_ref=at["image_ref"],
            )
        )
    assert len(by_hand.left) > len(waits_for)
    by_hand.run("down")
    assert by_hand.left == []


def test_an_interrupt_while_it_comes_up_leaves_nothing(by_hand: ByHand, environment: Environment) -> None:
    with by_hand.begin("up") as process:
        try:
            until("the first container", environment.engine.containers, PATIENCE_S)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert by_hand.left == []
