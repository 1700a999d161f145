"""What the images promise: whom they run as, what they say of themselves, how they begin and end."""

import http.client
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts import images
from contracts.engine.client import Engine as GameEngine
from seatrial import Environment
from seatrial.containers.engine import Engine
from seatrial.containers.handle import ExecFailed
from seatrial.containers.spec import Healthcheck

pytestmark = pytest.mark.requires("docker")

CHECK = Healthcheck(command=["python3", "-I", "-S", "/opt/service/healthcheck.py"])


@pytest.mark.parametrize("name", sorted(images.every_image()))
def test_every_image_says_what_it_is_and_runs_as_nobody_special(name: str) -> None:
    reference = images.every_image()[name]().reference()
    found = Engine.current().wire.ask("GET", f"/images/{reference}/json").json()
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["StopSignal"] == ("SIGINT" if name == "postgres" else "SIGTERM")
    assert config["Labels"]["org.opencontainers.image.title"] == name.partition("-")[0]
    assert config["ExposedPorts"]
    assert config.get("Volumes") is None  # nobody would remove them


def test_the_engine_bears_its_limits_and_its_version() -> None:
    reference = images.engine_image("1.4.1", memory="64m").reference()
    labels = Engine.current().wire.ask("GET", f"/images/{reference}/json").json()["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "1.4.1"
    limits = {name: labels[f"seatrial.engine.{name}"] for name in ("cpus", "memory", "pids")}
    assert limits == {"cpus": "0.5", "memory": "64m", "pids": "64"}


def test_a_tag_of_a_run_goes_with_it() -> None:
    engine = Engine.current()
    with images.engine_tag(images.engine_image()) as reference:
        assert reference.startswith("seatrial-engine:1.4.0-it-")
        assert engine.image_id(reference) == engine.image_id(images.engine_image().reference())
    assert engine.image_id(reference) is None


def test_an_engine_keeps_its_game_and_ends_when_it_is_told(environment: Environment, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o750)
    if os.geteuid() == 0:
        os.chown(state, 10001, 10001)
    owner = state.stat()
    options = {"GAME_STATE_PATH": "/state"}
    for number in (1, 2):
        container = environment.container(
            images.engine_image(),
            name=f"game-{number}",
            environment=options,
            mounts={"/state": state},
            ports=[8080],
            memory="128m",
            cpus=0.5,
            pids=64,
            user=f"{owner.st_uid}:{owner.st_gid}",
            healthcheck=CHECK,
            log_format="json",
        )
        game = GameEngine(f"http://{container.address(8080)}")
        game.init("Ada", "Bob").expect(200)
        assert game.turn().expect(200).json()["turn"] == number
        container.stop()
    assert (state / "game.json").stat().st_uid == owner.st_uid


def test_postgres_takes_the_environment_of_the_official_image(environment: Environment) -> None:
    container = environment.container(
        images.postgres_image(),
        name="postgres",
        command=["-c", "fsync=off"],
        environment={"POSTGRES_USER": "ada", "POSTGRES_PASSWORD": "it's", "POSTGRES_DB": "games"},
        ports=[5432],
        healthcheck=Healthcheck(command=["pg_isready", "--quiet", "--host=127.0.0.1"]),
        stop_signal=signal.SIGINT,
    )
    at = container.address(5432)
    with psycopg.connect(
        host=at.host, port=at.port, user="ada", password="it's", dbname="games"
    ) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    container.allow_log("password authentication failed")
    # What a check meets as it starts and as it stops.
    container.allow_log("the database system is (starting up|shutting down)|canceling authentication")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=at.host, port=at.port, user="ada", password="its", dbname="games")
    without = (
        "env",
        "--unset=POSTGRES_PASSWORD",
        "PGDATA=/tmp/other",
        "/opt/postgres/entrypoint",
        "postgres",
    )
    with pytest.raises(ExecFailed, match="POSTGRES_PASSWORD is not set: set it"):
        container.exec(*without)
    container.stop()


def test_redis_takes_the_commands_of_the_official_image(environment: Environment) -> None:
    container = environment.container(
        images.redis_image(),
        name="redis",
        command=["redis-server", "--requirepass", "word"],
        ports=[6379],
        healthcheck=Healthcheck(command=["python3", "-I", "-S", "/opt/redis/healthcheck.py"]),
    )
    container.allow_log("Memory overcommit must be enabled")  # that is up to the machine
    at = container.address(6379)
    with (
        socket.create_connection((at.host, at.port), timeout=5) as connection,
        connection.makefile("rb") as said,
    ):
        connection.sendall(b"PING\r\nAUTH word\r\nPING\r\n")
        assert [said.readline()[:7] for _ in range(3)] == [b"-NOAUTH", b"+OK\r\n", b"+PONG\r\n"]
    container.stop()


def test_the_stand_ins_refuse_what_breaks_their_contract(environment: Environment) -> None:
    container = environment.container(
        images.externals_image(), name="externals", ports=[8000], healthcheck=CHECK
    )
    at = container.address(8000)

    def call(method: str, path: str, document: object = None, **headers: str) -> tuple[int, Any]:
        client = http.client.HTTPConnection(at.host, at.port, timeout=5)
        body = None if document is None else json.dumps(document)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, body, {"Content-Type": "application/json", **named})
        answer = client.getresponse()
        found = json.loads(answer.read())
        client.close()
        return answer.status, found

    resolve, deliver = "/api/v1/internal/users/resolve-by-email", "/api/v1/internal/login-code-deliveries"
    asked = {"email": "ada@example.test", "preferred_language": "en", "time_zone": "UTC"}
    status, user = call("POST", resolve, asked)
    assert (status, user["status"]) == (200, "active")
    assert call("POST", resolve, asked) == (200, user)
    assert call("GET", f"/api/v1/internal/users/{user['user_id']}") == (200, asked | user)
    assert call("GET", "/api/v1/internal/users/u_1")[1]["error"]["code"] == "user_not_found"
    assert call("POST", resolve, asked | {"more": 1})[0] == 400
    mail = {"email": "ada@example.test", "code": "123456", "locale": "en"}
    assert call("POST", deliver, mail)[0] == 400
    for _ in range(2):
        assert call("POST", deliver, mail, Idempotency_Key="k1") == (202, {"delivery_id": "d_1"})
    assert call("POST", deliver, mail | {"code": "654321"}, Idempotency_Key="k1")[0] == 409
    assert call("POST", deliver, mail | {"code": "12345x"}, Idempotency_Key="k2")[0] == 400
    _, box = call("GET", "/mails?email=ada@example.test")
    assert [found["code"] for found in box["mails"]] == ["123456"]
    container.stop()
