"""Processes are booted, told apart, and gone with the test."""

from pathlib import Path

import pytest

from servicekit.conftest import KEY
from servicekit.testing import processes as module
from servicekit.testing.processes import Processes


def test_a_life_from_boot_to_stop(tmp_path: Path) -> None:
    with Processes("sample", tmp_path, {"SAMPLE_KEY": KEY}) as processes:
        first, second = processes.start(SAMPLE_LOG_LEVEL="DEBUG"), processes.start()
        assert first.url("http") == f"http://{first.address('http')}" != second.url("http")
        assert first.log != second.log
        assert first.stop() == 0
        assert {"service_ready", "service_stopped"} <= {record["event"] for record in first.records()}
        second.kill()
        assert second.wait() == -9
        third = processes.start()
    assert third.wait() == -9


def test_one_that_is_never_ready_is_told_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_S", 1.0)
    with (
        Processes("sample", tmp_path, {}) as processes,
        pytest.raises(AssertionError, match=r"sample was not ready within 1 s: SAMPLE_KEY: is missing"),
    ):
        processes.start()


def test_our_own_environment_is_not_the_service_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAMPLE_KEY", "LISTEN_FDS", "NOTIFY_SOCKET", "PYTHONHASHSEED"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("KEPT", "x")
    with Processes("sample", tmp_path, {"SAMPLE_START": "well"}) as processes:
        environment = processes.environment(SAMPLE_START="badly")
    assert {name for name, value in environment.items() if value == "x"} >= {"KEPT"}
    assert not {"SAMPLE_KEY", "LISTEN_FDS", "NOTIFY_SOCKET", "PYTHONHASHSEED"} & set(environment)
    assert environment["SAMPLE_START"] == "badly"


def test_a_program_runs_to_its_end(tmp_path: Path) -> None:
    with Processes("sample", tmp_path, {}) as processes:
        assert processes.run().returncode == 78
        assert "SAMPLE_KEY" in processes.run("--help").stdout


def test_what_an_import_loads(tmp_path: Path) -> None:
    with Processes("sample", tmp_path, {}) as processes:
        assert "servicekit.app" in processes.modules("sample.service")
        with pytest.raises(AssertionError, match="sample.nothing cannot be imported"):
            processes.modules("sample.nothing")
