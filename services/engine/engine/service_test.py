"""The real process: its boot, its logs, and what a kill leaves."""

import asyncio
import contextlib
import json
from pathlib import Path

from servicekit.client import ClientError
from servicekit.testing.loop import Loop
from servicekit.testing.processes import Processes

from engine.conftest import Running
from engine.store import Store


def test_a_life_from_boot_to_stop_and_another_after_it(
    processes: Processes, world: Loop, tmp_path: Path
) -> None:
    first = Running(
        world,
        processes.start(GAME_STATE_PATH=str(tmp_path / "state"), ENGINE_SEED="7", ENGINE_LOG_LEVEL="DEBUG"),
    )
    assert first.readiness() == {"status": "ready", "dependencies": {"state": {"status": "ok"}}}
    first.api.init()
    first.api.turn()
    report = first.api.report()
    assert first.process.stop() == 0
    log = first.process.records()
    assert {"service_ready", "game_initialized", "turn_played", "service_stopped"} <= {
        r["event"] for r in log
    }
    assert [record for record in log if record["level"] in {"WARNING", "ERROR"}] == []
    second = Running(world, processes.start(GAME_STATE_PATH=str(tmp_path / "state")))
    assert second.api.report() == report
    assert second.api.turn()["turn"] == 2
    assert second.process.stop() == 0


def test_no_kill_loses_a_turn_that_was_answered(processes: Processes, world: Loop, tmp_path: Path) -> None:
    answered = 0
    for attempt in range(6):
        running = Running(world, processes.start(GAME_STATE_PATH=str(tmp_path)))
        running.api.init()
        game = Store(tmp_path).read()
        assert game is not None
        assert game.turn in {answered, answered + 1}
        answered = game.turn
        for _ in range(attempt * 2):
            answered = running.api.turn()["turn"]

        async def killed(running: Running = running, steps: int = attempt * 3) -> int:
            # The request is sent, under way or answered when the process dies: each time a little later.
            asked = asyncio.ensure_future(running.api.ask("POST", "/api/v1/admin/turn"))
            for _ in range(steps):
                await asyncio.sleep(0)
            running.process.send_kill()
            return int(json.loads((await asked).body)["turn"])

        with contextlib.suppress(ClientError):
            answered = world.run(killed())
        running.process.kill()


def test_a_place_where_nothing_can_be_written_is_told_once(
    processes: Processes, world: Loop, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    running = Running(world, processes.start(GAME_STATE_PATH=str(tmp_path / "file" / "state")))
    assert running.readiness()["status"] == "unavailable"
    assert running.api.refused("GET", "/api/v1/admin/status") == (503, "state_unreadable")
    assert running.process.stop() == 0
    log = running.process.records()
    assert [r["event"] for r in log if r["level"] == "WARNING"] == ["dependency_unavailable"]


def test_without_a_place_for_the_state_it_does_not_start(processes: Processes) -> None:
    for path, problem in (
        ("", "GAME_STATE_PATH: is missing"),
        ("state", "GAME_STATE_PATH: 'state' has another form"),
    ):
        ran = processes.run(GAME_STATE_PATH=path)
        assert ran.returncode == 78
        assert problem in ran.stderr


def test_a_boot_imports_nothing_that_it_does_not_need(processes: Processes) -> None:
    loaded = processes.modules("engine.service")
    assert "engine.table" in loaded
    assert not loaded & {"asyncpg", "hiredis", "yaml", "importlib.metadata", "secrets", "servicekit.redis"}
