"""Games of lobby in real engine containers of rtmanager: success, delay, duplicate, retry, dead letter."""

import json
from collections.abc import Callable

from contracts.lobby.player import Player
from contracts.platform import games
from contracts.platform.platform import Platform
from contracts.rtmanager.jobs import RuntimeJobs
from contracts.streams import schema
from contracts.streams.stream_log import Entry
from seatrial import until

MISSING = "seatrial-engine-that-nobody-made:1.0.0"


def results(platform: Platform, game: str) -> list[Entry]:
    """The results of a game's jobs so far."""
    return [entry for entry in platform.streams.entries(schema.JOB_RESULTS) if entry["game_id"] == game]


def health(platform: Platform, game: str) -> list[str]:
    """What rtmanager told of a game's health so far."""
    entries = platform.streams.entries(schema.HEALTH_EVENTS)
    return [entry["event_type"] for entry in entries if entry["game_id"] == game]


def pause(platform: Platform) -> None:
    """Pauses rtmanager, and allows what it may say when it goes on."""
    process = platform.rtmanager.process
    process.allow_log("operation_failed")  # a start, if it comes after its stop
    process.allow_log("dependency_unavailable")  # Redis' answer, if the pause was longer than it may take
    process.pause()


def test_a_game_runs_in_a_container_until_it_is_finished(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    game = games.started(ada, bob, image)
    games.wait_status(platform, game, "running")
    platform.engine(game).health().expect(200)
    (container,) = platform.containers(game)
    found = container.inspect()
    assert found["HostConfig"]["Memory"] == 128 * 1024 * 1024
    assert found["HostConfig"]["PidsLimit"] == 64
    assert found["Config"]["Hostname"] == f"game-{game}"
    ada.finish(game).expect(200)
    until("the container to stop", lambda: container.status == "exited", timeout=30.0)
    games.wait_runtime(platform, game, "stopped")
    until("both results", lambda: len(results(platform, game)) == 2)
    assert [(each["operation"], each["outcome"]) for each in results(platform, game)] == [
        ("start", "success"),
        ("stop", "success"),
    ]
    assert health(platform, game) == ["container_started", "container_exited"]


def test_an_image_that_is_not_there_fails_the_start_and_another_one_mends_it(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    platform.rtmanager.process.allow_log("operation_failed")
    game = games.started(ada, bob, MISSING)
    games.wait_status(platform, game, "start_failed")
    assert ada.game(game).json()["start_error_code"] == "image_pull_failed"
    (told,) = results(platform, game)
    assert (told["operation"], told["outcome"], told["error_code"]) == (
        "start",
        "failure",
        "image_pull_failed",
    )
    ada.update(game, image_ref=image).expect(200)
    ada.start(game).expect(200)
    games.wait_status(platform, game, "running")


def test_a_start_while_rtmanager_is_down_is_done_when_it_is_back(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    platform.rtmanager.process.stop()
    game = games.started(ada, bob, image)
    platform.rtmanager.process.restart()
    games.wait_status(platform, game, "running")


def test_a_game_cancelled_while_it_starts_leaves_nothing_running(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    pause(platform)
    game = games.started(ada, bob, image)
    ada.cancel(game).expect(200)
    assert RuntimeJobs(platform.streams).stop_of(game)["reason"] == "cancelled"
    platform.rtmanager.process.resume()
    until(
        "both results",
        lambda: {each["operation"] for each in results(platform, game)} == {"start", "stop"},
        30.0,
    )
    for group, stream in (("rtmanager", schema.STOP_JOBS), ("lobby", schema.JOB_RESULTS)):
        platform.streams.wait_handled(stream, group, timeout=30.0)
    until(
        "nothing to run", lambda: "running" not in {each.status for each in platform.containers(game)}, 30.0
    )
    assert platform.lobby.http.status(game) == "cancelled"


def test_a_job_that_comes_twice_makes_one_container(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    game = games.started(ada, bob, image)
    games.wait_status(platform, game, "running")
    (job,) = platform.streams.entries(schema.START_JOBS)
    platform.streams.publish(schema.START_JOBS, job.fields)
    until("a second result", lambda: len(results(platform, game)) == 2, timeout=30.0)
    assert results(platform, game)[1]["error_code"] == "replay_no_op"
    platform.streams.wait_handled(schema.JOB_RESULTS, "lobby")
    assert len(platform.containers(game)) == 1
    assert platform.lobby.http.status(game) == "running"
    ada.finish(game).expect(200)
    games.wait_runtime(platform, game, "stopped")
    (stop,) = platform.streams.entries(schema.STOP_JOBS)
    platform.streams.publish(schema.STOP_JOBS, stop.fields)
    until("a fourth result", lambda: len(results(platform, game)) == 4, timeout=30.0)
    assert results(platform, game)[3]["error_code"] == "replay_no_op"
    assert health(platform, game) == ["container_started", "container_exited"]


def test_rtmanager_killed_in_a_start_makes_one_container_and_one_result(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    game = games.started(ada, bob, image)
    until("a container to be made", lambda: platform.containers(game), timeout=30.0)
    platform.rtmanager.process.kill()
    platform.rtmanager.process.restart()
    games.wait_status(platform, game, "running", timeout=60.0)
    assert len(platform.containers(game)) == 1
    assert [each["outcome"] for each in results(platform, game)] == ["success"]
    assert health(platform, game) == ["container_started"]


def test_a_result_is_not_lost_while_redis_is_out_of_reach(boot: Callable[..., Platform], image: str) -> None:
    platform = boot(proxied=["rtmanager to redis"])
    platform.rtmanager.process.allow_log("dependency_unavailable")
    ada, bob = platform.player("ada@example.test"), platform.player("bob@example.test")
    game = games.started(ada, bob, image)
    until("a container to be made", lambda: platform.containers(game), timeout=30.0)
    with platform.proxies["rtmanager to redis"].reset():
        until("the engine to run", lambda: platform.containers(game)[0].status == "running", timeout=30.0)
    games.wait_status(platform, game, "running", timeout=60.0)
    assert [each["outcome"] for each in results(platform, game)] == ["success"]


def test_a_lobby_killed_while_its_game_starts_hears_of_it_later(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    game = games.started(ada, bob, image)
    platform.streams.wait_for(schema.START_JOBS, "the job", lambda job: job["game_id"] == game)
    platform.lobby.process.kill()
    until("the result", lambda: results(platform, game), timeout=30.0)
    platform.lobby.process.restart()
    games.wait_status(platform, game, "running")


def test_a_lobby_killed_after_it_said_yes_to_a_start_starts_the_game(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    game = games.started(ada, bob, image)
    platform.lobby.process.kill()
    platform.lobby.process.restart()
    games.wait_status(platform, game, "running")
    assert len(platform.containers(game)) == 1


def test_malformed_jobs_are_set_aside_and_block_nothing(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    platform.rtmanager.process.allow_log("stream_entry_rejected")
    for stream in (schema.START_JOBS, schema.STOP_JOBS):
        platform.streams.publish_unchecked(stream, {"game_id": "../x", "requested_at_ms": "soon"})
    game = games.started(ada, bob, image)
    games.wait_status(platform, game, "running")
    for stream in (schema.START_JOBS, schema.STOP_JOBS):
        (rejected,) = platform.streams.entries(schema.rejected(stream))
        assert rejected["entry:game_id"] == "../x"


def test_a_start_that_takes_too_long_is_given_up_and_its_late_engine_stopped(
    boot: Callable[..., Platform], image: str
) -> None:
    platform = boot(settings={"lobby": {"START_TIMEOUT_MS": "500"}})
    ada, bob = platform.player("ada@example.test"), platform.player("bob@example.test")
    pause(platform)
    game = games.started(ada, bob, image)
    games.wait_status(platform, game, "start_failed")
    assert RuntimeJobs(platform.streams).stop_of(game)["reason"] == "start_timeout"
    assert ada.game(game).json()["start_error_code"] == "start_timeout"
    platform.rtmanager.process.resume()
    until("both jobs to be done", lambda: len(results(platform, game)) >= 2, timeout=30.0)
    until(
        "nothing to run", lambda: "running" not in {each.status for each in platform.containers(game)}, 30.0
    )
    assert platform.lobby.http.status(game) == "start_failed"


def test_an_engine_that_crashes_is_told_once(
    platform: Platform, ada: Player, bob: Player, image: str
) -> None:
    game = games.started(ada, bob, image)
    games.wait_status(platform, game, "running")
    (container,) = platform.containers(game)
    container.kill()
    games.wait_runtime(platform, game, "stopped")
    exited = platform.streams.wait_for(
        schema.HEALTH_EVENTS, "the exit", lambda entry: entry["event_type"] == "container_exited"
    )
    assert json.loads(exited["details"]) == {"exit_code": 137, "ordered": False}
    assert health(platform, game) == ["container_started", "container_exited"]
