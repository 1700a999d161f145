"""What a command line may ask for, and what it is told when it may not."""

from pathlib import Path

import pytest

import target as targets
from mistake import Mistake
from options import Helper, Probe, parse
from run import main
from seatrial import Address
from target import Target

FOREIGN = [
    "--target",
    "http://game.example.test:8080",
    "--target-grpc",
    "game.example.test:9090",
    "--devices",
    "d.json",
]


def probe(*words: str) -> Probe:
    found = parse(words)
    assert isinstance(found, Probe)
    return found


def test_without_a_word_it_loads_an_environment_of_its_own() -> None:
    found = probe()
    assert found.target is None
    assert found.scenario == "commands"
    assert [step.rate for step in found.plan.steps] == [40.0 * number for number in range(1, 13)]
    assert found.plan.recovery.rate == 40
    assert 180 < found.plan.longest_s < 400


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "0"], "--from 0: a rate is above 0 and at most 10000"),
        (["--to", "nan"], "--to nan: a rate"),
        (["--to", "20000"], "--to 20000: a rate"),
        (["--from", "90", "--to", "80"], "a ramp goes up"),
        (["--steps", "0"], "--steps 0: give 1 to 50"),
        (["--steps", "1"], "goes nowhere"),
        (["--measure", "0.5"], "--measure 0.5: give 1 to 300"),
        (["--warm-up", "61"], "--warm-up 61"),
        (["--from", "2"], "a p99 of fewer than 100 is refused"),
        (["--steps", "50", "--measure", "300"], "more than 3600"),
        (["--p99-ms", "0"], "--p99-ms 0"),
        (["--max-errors", "2"], "--max-errors 2: a share"),
        (["--users", "5001"], "--users 5001: give 1 to 5000"),
        (["--users", "1"], "each worker needs at least one"),
        (["--workers", "33"], "--workers 33: give 0 to 32"),
        (["--workers", "0"], "nobody would send anything"),
        (["--expect-workers", "1"], "say where they find the master"),
        (["--bind", "here"], "--bind: 'here' is not host:port"),
        (["--bind", "192.0.2.1:5557"], "--bind 192.0.2.1:5557: cannot listen there"),
        (["--listen", "192.0.2.1"], "--listen 192.0.2.1: cannot listen there"),
        (["--devices", "d.json"], "--devices belongs to a --target"),
        (["--target", "http://h:1"], "its gRPC address is missing"),
        ([*FOREIGN, "--i-may-load", "http://game.example.test:1"], "--devices d.json: No such file"),
        ([*FOREIGN[:4], "--i-may-load", "http://game.example.test:1"], "--target without --devices"),
        (
            [*FOREIGN, "--i-may-load", "http://game.example.test:1", "--scenario", "sign_in"],
            "it has no --target",
        ),
        (["worker", "--master", "5557"], "--master: '5557' is not host:port"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir()), "something was written"


def test_an_unknown_option_is_a_mistake_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--rate", "5"])
    assert "--rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    "permitted",
    [
        [],
        ["http://example.test:8080"],
        ["http://game.example.test.evil.test:8080"],
        ["http://127.0.0.1:8080"],
    ],
)
def test_a_target_is_refused_unless_it_is_named(
    permitted: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for url in permitted for word in ("--i-may-load", url)]
    assert main([*FOREIGN, *words]) == 2
    said = capsys.readouterr().err
    assert "game.example.test is not the run's own environment" in said
    assert "--i-may-load http://game.example.test:8080" in said
    assert not list(tmp_path.iterdir())


def test_loopback_is_a_target_like_any_other() -> None:
    words = ["--target", "http://127.0.0.1:8080", "--target-grpc", "127.0.0.1:9090", "--devices", "d.json"]
    with pytest.raises(Mistake, match=r"127\.0\.0\.1 is not the run's own"):
        parse(words)
    with pytest.raises(Mistake, match="name the host exactly"):
        parse([*words, "--i-may-load", "http://localhost:8080"])
    assert probe(*words, "--i-may-load", "http://127.0.0.1:8080").target is not None


def test_every_host_of_a_target_must_be_named() -> None:
    words = ["--target", "http://a.test:8080", "--target-grpc", "b.test:9090", "--devices", "d.json"]
    with pytest.raises(Mistake, match=r"b\.test is not the run's own"):
        parse([*words, "--i-may-load", "http://a.test:8080"])
    both = ["--i-may-load", "http://a.test:8080", "--i-may-load", "http://b.test:9090"]
    assert probe(*words, *both).target == Target("http://a.test:8080", "b.test:9090")


def test_a_worker_loads_its_master_s_host_and_nothing_else() -> None:
    own = Target("http://10.0.0.1:8080", "10.0.0.1:9090", "http://10.0.0.1:8025")
    master = Address("10.0.0.1", 5557)
    targets.check_order(own, master, [])
    elsewhere = Target("http://10.0.0.2:8080", "10.0.0.2:9090")
    with pytest.raises(Mistake, match=r"10\.0\.0\.2 is not the run's own"):
        targets.check_order(elsewhere, master, [])
    targets.check_order(elsewhere, master, ["http://10.0.0.2:8080"])


def test_a_worker_s_command_line() -> None:
    found = parse(["worker", "--master", "10.0.0.1:5557", "--i-may-load", "http://a.test:1"])
    assert found == Helper(Address("10.0.0.1", 5557), ("http://a.test:1",))


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"devices": [{"user_id": "u"}]}'])
def test_a_file_of_devices_that_is_none(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "d.json"
    file.write_text(text)
    words = ["--target", "http://127.0.0.1:9", "--target-grpc", "127.0.0.1:9", "--devices", str(file)]
    assert main([*words, "--i-may-load", "http://127.0.0.1:9", "--reports", str(tmp_path / "r")]) == 2
    assert 'not {"devices": [{device_session_id' in capsys.readouterr().err


def test_too_few_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "d.json"
    file.write_text('{"devices": [{"device_session_id": "s", "private_key": "k", "user_id": "u"}]}')
    words = ["--target", "http://127.0.0.1:9", "--target-grpc", "127.0.0.1:9", "--devices", str(file)]
    assert main([*words, "--i-may-load", "http://127.0.0.1:9", "--users", "3"]) == 2
    assert "1 devices, and 4 players need 4" in capsys.readouterr().err
