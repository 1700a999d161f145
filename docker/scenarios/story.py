"""One whole game, from signing in to the end of its engine, by whatever way the platform was brought up."""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.authsession.internal import Authsession
from contracts.engine.client import Engine
from contracts.gateway.device import Device
from contracts.gateway.edge import Edge
from contracts.gateway.public import GatewayHttp
from contracts.gateway.signing import DeviceKey
from contracts.lobby import commands
from contracts.lobby.client import Lobby
from contracts.lobby.player import Player
from contracts.rtmanager.client import RuntimeManager
from seatrial import until

PATIENCE = 60.0


@dataclass(frozen=True)
class World:
    """The platform as the story's people reach it; `engine_of` is the engine of a game that runs, None when it has none."""

    gateway: GatewayHttp
    edge: Edge
    authsession: Authsession
    lobby: Lobby
    rtmanager: RuntimeManager
    code_for: Callable[[str], str]
    containers_of: Callable[[str], int]
    engine_of: Callable[[str], Engine]
    image_ref: str

    def sign_in(self, address: str) -> tuple[Device, Player]:
        """Signs in with the code that was mailed."""
        key = DeviceKey()
        challenge = self.gateway.send_email_code(address).expect(200).json()["challenge_id"]
        answer = self.gateway.confirm_email_code(challenge, self.code_for(address), key.public).expect(200)
        device = Device(self.edge, answer.json()["device_session_id"], key)
        user_id = self.authsession.session(device.session_id).expect(200).json()["user_id"]
        return device, commands.player(device, user_id)


def play(world: World) -> None:
    """Sign in, create a game, join, start, play turns, be told, end it; its container is gone afterwards."""
    ada_s_phone, ada = world.sign_in("ada@example.test")
    bob_s_phone, bob = world.sign_in("bob@example.test")
    with ada_s_phone.subscribe() as to_ada, bob_s_phone.subscribe() as to_bob:
        game = ada.opened(image_ref=world.image_ref, max_players=2, name="Trafalgar")
        ada.join(game, "Terrans").expect(201)
        ada.approve(game, bob.applied(game, "Zerg")).expect(200)
        for event in ("lobby.application_submitted", "lobby.game_ready"):
            to_ada.expect_event(event, timeout=PATIENCE)
        to_bob.expect_event("lobby.application_approved", timeout=PATIENCE)
        ada.start(game).expect(200)
        for events in (to_ada, to_bob):
            events.expect_event("lobby.game_started", timeout=PATIENCE)
        assert ada.game(game).expect(200).json()["status"] == "running"
        turns(world, game)
        ada.cancel(game).expect_error(409, "conflict")  # it runs: it can be finished, not called off
        ada.finish(game).expect(200)
        for events in (to_ada, to_bob):
            events.expect_event("lobby.game_finished", timeout=PATIENCE)
    gone(world, game, "stopped")


def call_off(world: World, start: Callable[[Player, str], None]) -> None:
    """A game is cancelled while it starts; nothing of it runs afterwards, and its container is gone.

    `start` starts it, so that its engine does not run before this returns.
    """
    phone, ada = world.sign_in("carl@example.test")
    _, bob = world.sign_in("dora@example.test")
    with phone.subscribe() as events:
        game = ada.opened(image_ref=world.image_ref, max_players=2)
        ada.join(game, "Terrans").expect(201)
        ada.approve(game, bob.applied(game, "Zerg")).expect(200)
        start(ada, game)
        for event in ("lobby.application_submitted", "lobby.game_ready", "lobby.game_cancelled"):
            events.expect_event(event, timeout=PATIENCE)
    assert ada.game(game).expect(200).json()["status"] == "cancelled"
    until("the start and the stop to be over", lambda: _called_off(world, game), PATIENCE)
    if world.rtmanager.runtime(game).status == 200:
        gone(world, game, "stopped", "removed")
    assert world.containers_of(game) == 0


def turns(world: World, game: str) -> None:
    """The game's master sets it up; two turns are played, with orders of both players."""
    engine = world.engine_of(game)
    engine.init("Terrans", "Zerg").expect(200)
    for turn in range(2):
        for race in ("Terrans", "Zerg"):
            assert engine.report(race).expect(200).json()["turn"] == turn
            engine.order(race, {"turn": turn, "orders": []}).expect(200)
        assert engine.turn().expect(200).json()["turn"] == turn + 1


def gone(world: World, game: str, *statuses: str) -> None:
    """The engine ends by itself; an administrator removes its container."""
    until(f"the engine of {game} to end", lambda: _status(world, game) in statuses, PATIENCE)
    if _status(world, game) == "stopped":
        world.rtmanager.cleanup(game).expect(200)
    assert world.containers_of(game) == 0


def _status(world: World, game: str) -> str:
    status: str = world.rtmanager.runtime(game).expect(200).json()["status"]
    return status


def _called_off(world: World, game: str) -> bool:
    """Whether the start and the stop were both carried out, in whatever order, and nothing runs.

    A start that comes after its stop succeeds or fails; lobby has what it started stopped again.
    """
    operations = list(world.rtmanager.all_operations(game))
    over = {each["kind"] for each in operations} == {"start", "stop"}
    over = over and all(each["status"] in ("success", "failure") for each in operations)
    answer = world.rtmanager.runtime(game)
    return over and not (answer.status == 200 and answer.json()["status"] == "running")
