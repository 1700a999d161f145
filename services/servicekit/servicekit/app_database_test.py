"""A service with a database, as a real process: its command, its start, its outages, its end."""

import asyncio
import http.client
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from servicekit.app_test import call
from servicekit.conftest import MIGRATIONS, Sample, Samples
from servicekit.redis import Redis
from servicekit.testing.postgres import Postgres
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample's migrations."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


@pytest.fixture
def variables(empty_dsn: str, folder: Path, valkey: Valkey) -> dict[str, str]:
    """The environment of a sample with stores."""
    return {
        "SAMPLE_POSTGRES_DSN": empty_dsn,
        "SAMPLE_MIGRATIONS": str(folder),
        "SAMPLE_REDIS_URL": valkey.url,
        "SAMPLE_STOP_TIMEOUT_MS": "20000",
    }


def migrate(samples: Samples, variables: dict[str, str]) -> tuple[int, str, str]:
    """Run the command; gives its status, what it printed, and its complaints."""
    sample = samples.start("migrate", environment=variables, notify=None)
    out, err = sample.process.communicate()
    return (
        sample.process.returncode,
        out,
        "".join(line for line in err.splitlines(True) if not line.startswith("{")),
    )


def add(ready: dict[str, str], name: str) -> tuple[int, Any]:
    return call(ready["X_LISTEN_HTTP"], "POST", "/things", json.dumps({"name": name}))[:2]


def readiness(ready: dict[str, str]) -> dict[str, Any]:
    _, body, _ = call(ready["X_LISTEN_ADMIN"], "GET", "/readyz")
    dependencies: dict[str, Any] = body["dependencies"]
    return dependencies


def names(valkey: Valkey) -> list[bytes]:
    """Give the names in the stream `things`."""

    async def read() -> list[bytes]:
        async with Redis(valkey.url) as redis:
            return [fields[1] for _, fields in await redis.execute("XRANGE", "things", "-", "+")]

    return asyncio.run(read())


def events(sample: Sample, logger: str) -> list[object]:
    lines = [json.loads(line) for line in sample.raw if line.startswith("{")]
    return [line["event"] for line in lines if line["logger"] == logger]


def test_the_command_migrates_and_says_what_it_did(samples: Samples, variables: dict[str, str]) -> None:
    assert migrate(samples, variables) == (0, "applied 0001_messages.sql\napplied 0002_things.sql\n", "")
    assert migrate(samples, variables) == (0, "nothing to apply\n", "")


def test_the_command_waits_for_a_migration_that_takes_longer_than_a_statement_may(
    samples: Samples, variables: dict[str, str], folder: Path
) -> None:
    (folder / "0003_slow.sql").write_text("SELECT pg_sleep(1.5)")
    status, out, _ = migrate(samples, variables)
    assert status == 0
    assert out.endswith("applied 0003_slow.sql\n")


def test_the_command_says_that_the_database_cannot_be_reached(
    samples: Samples, variables: dict[str, str], postgres: Postgres
) -> None:
    postgres.kill()
    status, out, err = migrate(samples, variables)
    assert (status, out) == (69, "")
    assert err == "servicekit: the database cannot be reached: No such file or directory\n"


def test_the_command_names_the_file_that_is_wrong(
    samples: Samples, variables: dict[str, str], folder: Path
) -> None:
    (folder / "0003_more.sql").write_text("CREATE TABEL more ();")
    status, out, err = migrate(samples, variables)
    assert (status, out) == (70, "")
    assert err.startswith('servicekit: 0003_more.sql, line 1: syntax error at or near "TABEL"')


def test_the_command_needs_the_configuration(samples: Samples, variables: dict[str, str]) -> None:
    status, _, err = migrate(samples, variables | {"SAMPLE_POSTGRES_DSN": "mysql://there/database"})
    assert status == 78
    assert err.startswith("SAMPLE_POSTGRES_DSN: has another scheme (give postgresql://")


def test_the_command_reads_what_the_database_needs_and_no_more(
    samples: Samples, variables: dict[str, str]
) -> None:
    wrong_elsewhere = {"SAMPLE_REDIS_URL": "no url", "SAMPLE_HTTP_ADDR": "nowhere"}
    assert migrate(samples, variables | wrong_elsewhere)[0] == 0


def test_the_command_is_in_the_help(samples: Samples) -> None:
    out, _ = samples.start("--help", notify=None).process.communicate()
    assert out.startswith("usage: servicekit [migrate | --help | --version]\n")
    assert "69 when the database cannot be reached" in out


def test_a_start_migrates_and_two_at_once_take_turns(
    samples: Samples, variables: dict[str, str], valkey: Valkey
) -> None:
    pair = [samples.start(environment=variables) for _ in range(2)]
    for number, ready in enumerate([sample.ready() for sample in pair]):
        assert add(ready, str(number)) == (204, None)
        assert {name: state["status"] for name, state in readiness(ready).items()} == {
            "postgres": "ok",
            "redis": "ok",
        }
    wait_until("both are in the stream", lambda: names(valkey) == [b"0", b"1"])
    for sample in pair:
        sample.process.send_signal(signal.SIGTERM)
        assert sample.end() == 0
    applied = [events(sample, "servicekit.migrations") for sample in pair]
    assert sorted(map(len, applied)) == [0, 2]


def test_a_start_without_the_database_is_ready_and_heals(
    samples: Samples, variables: dict[str, str], postgres: Postgres
) -> None:
    postgres.kill()
    sample = samples.start(environment=variables)
    ready = sample.ready()
    status, body = add(ready, "a")
    assert (status, body["error"]["code"]) == (503, "service_unavailable")
    assert readiness(ready)["postgres"] == {"status": "unavailable", "reason": "No such file or directory"}
    postgres.start()
    assert add(ready, "a") == (204, None)
    assert readiness(ready)["postgres"] == {"status": "ok"}
    sample.process.send_signal(signal.SIGTERM)
    assert sample.end() == 0
    assert events(sample, "servicekit.health") == ["dependency_unavailable", "dependency_available"]
    assert '"level":"ERROR"' not in sample.log()


def test_a_start_on_a_newer_database_is_refused(
    samples: Samples, variables: dict[str, str], folder: Path
) -> None:
    migrate(samples, variables)
    (folder / "0002_things.sql").unlink()
    sample = samples.start(environment=variables)
    assert sample.end() == 70
    assert sample.log() == (
        "servicekit: 0002_things.sql: was applied to the database and is not in this release, whose last migration is "
        "number 1 (run the release that has it, or restore a backup of before)\n"
    )


def test_what_a_request_put_during_the_drain_leaves_before_the_end(
    samples: Samples, variables: dict[str, str], valkey: Valkey
) -> None:
    sample = samples.start(environment=variables)
    ready = sample.ready()
    sample.wait_log("outbox_leading")
    host, _, port = ready["X_LISTEN_HTTP"].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    connection.putrequest("POST", "/things")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "12")
    connection.endheaders(b'{"name"')
    sample.process.send_signal(signal.SIGTERM)
    sample.wait_log("service_stopping")
    connection.send(b':"a"}')
    assert connection.getresponse().status == 204
    connection.close()
    assert sample.end() == 0
    assert names(valkey) == [b"a"]


def test_the_address_of_the_database_is_in_no_log(samples: Samples, variables: dict[str, str]) -> None:
    dsn = "postgresql://somebody:hunter2hunter2@127.0.0.1:1/database"
    sample = samples.start(environment=variables | {"SAMPLE_POSTGRES_DSN": dsn})
    ready = sample.ready()
    assert add(ready, "a")[0] == 503
    sample.process.send_signal(signal.SIGTERM)
    assert sample.end() == 0
    assert "hunter2" not in sample.log()
