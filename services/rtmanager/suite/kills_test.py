"""rtmanager is killed at each step of a start and of a stop, and at random moments. Nothing may be lost or doubled."""

import os
import random
import threading
from collections.abc import Callable
from typing import Final, Literal

import pytest

from suite.dockerproxy import Hold
from suite.process import Process
from suite.world import World

#: Random kills of one run; the nightly tier asks for more.
KILLS: Final = int(os.environ.get("RTMANAGER_SUITE_KILLS") or "10")

#: What a start and a stop ask of Docker, in order: each is a moment at which rtmanager may be killed.
START: Final = {
    "list": r"GET /containers/json.*game_id",
    "image": r"GET /images/",
    "network": r"GET /networks/",
    "create": r"POST /containers/create",
    "start": r"POST /containers/\w+/start",
    "inspect": r"GET /containers/\w+/json",
}
STOP: Final = {"stop": r"POST /containers/\w+/stop", "inspect": r"GET /containers/\w+/json"}


def _killed_at(process: Process, hold: Hold, job: Callable[[], object]) -> None:
    """Do the job, kill rtmanager when it gets to the hold, and begin its next life."""
    job()
    hold.wait()
    process.kill()
    hold.release()
    process.start()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", START)
def test_killed_at_a_step_of_a_start(world: World, step: str, when: Literal["before", "after"]) -> None:
    proxy, game = world.proxy(), world.game()
    process = world.process(DOCKER_HOST=proxy.url)
    process.start()
    hold = proxy.hold(START[step], when=when)
    _killed_at(process, hold, lambda: world.start_job(game, world.engines.first))
    assert world.results(1) == [("start", "success", "")]
    world.settled()
    _told_once(world, game, ["container_started"], running=True)
    assert process.stop() == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STOP)
def test_killed_at_a_step_of_a_stop(world: World, step: str, when: Literal["before", "after"]) -> None:
    proxy, game = world.proxy(), world.game()
    process = world.process(
        DOCKER_HOST=proxy.url, INSPECT_INTERVAL_MS="600000", RECONCILE_INTERVAL_MS="600000"
    )
    process.start()
    world.start_job(game, world.engines.first)
    world.results(1)
    world.settled()
    hold = proxy.hold(STOP[step], when=when)
    _killed_at(process, hold, lambda: world.stop_job(game))
    assert world.results(2)[1] == ("stop", "success", "")
    world.settled()
    _told_once(world, game, ["container_started", "container_exited"], running=False)
    assert process.stop() == 0


def test_killed_at_random_moments(world: World, rng: random.Random) -> None:
    process = world.process()
    process.start()
    jobs: list[str] = []
    games: list[str] = []
    for turn in range(KILLS):
        if turn % 2 == 0:
            games.append(world.game())
            world.start_job(games[-1], world.engines.first, requested_at_ms=1000)
            jobs.append("start")
        else:
            world.stop_job(games[-1], requested_at_ms=2000)
            jobs.append("stop")
        killing = threading.Timer(rng.uniform(0.0, 1.2), process.kill)
        killing.start()
        killing.join()
        process.start()
        assert [(kind, outcome) for kind, outcome, _ in world.results(turn + 1)] == [
            (job, "success") for job in jobs
        ]
    world.settled()
    for game in games:
        ended = game != games[-1] or KILLS % 2 == 0
        told = ["container_started", "container_exited"] if ended else ["container_started"]
        _told_once(world, game, told, running=not ended)
    assert process.stop() == 0


def _told_once(world: World, game: str, events: list[str], *, running: bool) -> None:
    """Hold that there is one container, in that state, and exactly these events of the game."""
    assert world.container(game)["State"]["Running"] is running
    told = [
        each["event_type"] for each in world.stores.stream("runtime:health_events") if each["game_id"] == game
    ]
    assert told == events
