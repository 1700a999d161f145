"""The real process: its boot, its logs over a whole life, outages, its drain."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from servicekit.client import HttpClient, Reply
from servicekit.testing.postgres import Postgres, embedded_postgres, fresh_database
from servicekit.testing.processes import Process, Processes
from servicekit.testing.valkey import Valkey, embedded_valkey

from notification.service import MIGRATIONS
from notification.testing.samples import fields
from notification.testing.world import World, running

INTENTS = "notification:intents"
GAME = "lobby.game_started"
INVITE = "lobby.invite_created"


class Running:
    """A process of notification that is ready."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process
        self.client = world.enter(HttpClient(process.url("http"), timeout=10))
        self.admin = world.enter(HttpClient(process.url("admin"), timeout=10))

    def call(self, method: str, path: str, document: object = None) -> Reply:
        body = b"" if document is None else json.dumps(document).encode()
        headers = {} if document is None else {"content-type": "application/json"}
        return self.world.run(self.client.request(method, path, headers=headers, body=body))

    def readiness(self) -> tuple[int, dict[str, str]]:
        reply = self.world.run(self.admin.request("GET", "/readyz"))
        states = json.loads(reply.body)["dependencies"]
        return reply.status, {name: state["status"] for name, state in states.items()}

    def metrics(self) -> str:
        return self.world.run(self.admin.request("GET", "/metrics")).body.decode()


class Starter:
    """Starts processes."""

    def __init__(self, world: World, processes: Processes) -> None:
        self._world = world
        self.processes = processes

    def start(self, **more: str) -> Running:
        return Running(self._world, self.processes.start(**more))


@contextmanager
def starting(world: World, folder: Path) -> Iterator[Starter]:
    variables = {
        "NOTIFICATION_POSTGRES_DSN": world.dsn,
        "NOTIFICATION_REDIS_URL": world.redis_url,
        "NOTIFICATION_USER_URL": world.user_url,
        "NOTIFICATION_ADMIN_EMAILS": "ops.secret@example.test",
        "NOTIFICATION_POLL_MS": "20",
    }
    with Processes("notification", folder, variables) as processes:
        yield Starter(world, processes)


@pytest.fixture
def starter(world: World, tmp_path: Path) -> Iterator[Starter]:
    with starting(world, tmp_path) as starter:
        yield starter


def add(world: World, *entries: dict[str, bytes], stream: str = INTENTS) -> None:
    """What producers do."""
    commands = [
        ("XADD", stream, "*", *(part for pair in entry.items() for part in pair)) for entry in entries
    ]
    world.run(world.redis.pipeline(commands))


def eventually(world: World, what: str, count: int, stream: str) -> list[dict[str, str]]:
    """The entries of a stream as soon as there are so many."""
    world.wait(what, lambda: len(world.entries(stream)) >= count)
    return world.entries(stream)


PUSHES, MAILS = "gateway:client-events", "mail:delivery_commands"


def test_a_life_from_boot_to_stop_with_nothing_secret_in_the_log(starter: Starter, world: World) -> None:
    world.users.add("u-1", email="ada.secret@example.test", preferred_language="de")
    service = starter.start(NOTIFICATION_LOG_LEVEL="DEBUG", NOTIFICATION_EMAIL_MAX_ATTEMPTS="1")
    add(world, fields(INVITE, idempotency_key="k-1"))
    add(world, fields("runtime.image_pull_failed", idempotency_key="k-2"))
    add(world, fields(INVITE, idempotency_key="k-3", recipient_user_ids=["u-unknown"]))
    add(world, fields(INVITE, idempotency_key="k-4", payload="ada.secret@example.test"))
    eventually(world, "two mails", 2, MAILS)
    assert len(eventually(world, "two pushes", 2, PUSHES)) == 2
    (rejected,) = eventually(world, "the rejected one", 1, "notification:intents:rejected")
    assert rejected["reason"].startswith("malformed_intent: payload")
    assert rejected["entry:idempotency_key"] == "k-4"
    dead_letters = "/api/v1/internal/dead-letters"

    def dead() -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(service.call("GET", dead_letters).body)["dead_letters"]
        return found

    (letter,) = world.wait("the dead letter", dead)
    assert letter["error_code"] == "user_not_found"
    world.users.add("u-unknown", email="late.secret@example.test")
    why = {"reason_code": "user_added", "actor": "admin:1"}
    assert service.call("POST", f"{dead_letters}/{letter['dead_letter_id']}/replay", why).status == 200
    eventually(world, "the replayed mail", 3, MAILS)
    intent = json.loads(service.call("GET", "/api/v1/internal/intents/k-1").body)
    assert {route["channel"] for route in intent["routes"]} == {"push", "email"}
    assert service.readiness() == (200, {"redis": "ok", "postgres": "ok"})
    assert 'notification_user_up{dependency="user"} 1' in service.metrics()
    assert service.process.stop() == 0
    records = service.process.records()
    assert {"service_ready", "dead_letter_replayed", "service_stopped"} <= {each["event"] for each in records}
    assert sorted(each["event"] for each in records if each["level"] in {"WARNING", "ERROR"}) == [
        "route_dead",
        "stream_entry_rejected",
    ]
    text = service.process.log.read_text()
    for secret in ("secret", "Evening round"):
        assert secret not in text


def test_configuration_errors_are_said_all_at_once(starter: Starter) -> None:
    run = starter.processes.run(
        NOTIFICATION_POSTGRES_DSN="", NOTIFICATION_REDIS_URL="nowhere", NOTIFICATION_LEASE_MS="1"
    )
    assert run.returncode == 78
    assert [line.partition(":")[0] for line in run.stderr.splitlines()] == [
        "NOTIFICATION_POSTGRES_DSN",
        "NOTIFICATION_REDIS_URL",
        "NOTIFICATION_LEASE_MS",
    ]


def test_help_and_version_need_no_configuration(starter: Starter) -> None:
    bare = dict.fromkeys(("NOTIFICATION_POSTGRES_DSN", "NOTIFICATION_REDIS_URL", "NOTIFICATION_USER_URL"), "")
    assert "NOTIFICATION_ADMIN_EMAILS" in starter.processes.run("--help", **bare).stdout
    assert starter.processes.run("--version", **bare).stdout.startswith("notification ")


def test_migrate_applies_the_migrations_and_ends(starter: Starter, postgres_server: Postgres) -> None:
    with fresh_database(postgres_server, None) as dsn:
        first = starter.processes.run("migrate", NOTIFICATION_POSTGRES_DSN=dsn)
        again = starter.processes.run("migrate", NOTIFICATION_POSTGRES_DSN=dsn)
    assert (first.returncode, first.stdout) == (0, "applied 0001_notification.sql\n")
    assert (again.returncode, again.stdout) == (0, "nothing to apply\n")


def test_migrate_without_a_database_says_so(starter: Starter) -> None:
    run = starter.processes.run("migrate", NOTIFICATION_POSTGRES_DSN="postgresql://nobody@127.0.0.1:1/none")
    assert run.returncode == 69
    assert "database cannot be reached" in run.stderr


def test_outages_are_named_and_waited_out_and_nothing_is_lost(tmp_path: Path) -> None:
    with (
        embedded_postgres() as postgres,
        embedded_valkey() as valkey,
        fresh_database(postgres, MIGRATIONS) as dsn,
        running(dsn, valkey.url) as world,
        starting(world, tmp_path) as starter,
    ):
        _outages(starter, world, postgres, valkey)


def _outages(starter: Starter, world: World, postgres: Postgres, valkey: Valkey) -> None:
    postgres.kill()
    service = starter.start()
    add(world, fields(GAME, idempotency_key="k-1"))
    world.wait(
        "Postgres is missed", lambda: service.readiness() == (503, {"redis": "ok", "postgres": "unavailable"})
    )
    assert service.call("GET", "/api/v1/internal/intents/k-1").status == 503
    postgres.start()
    eventually(world, "the push", 1, PUSHES)
    world.wait("Postgres is back", lambda: service.readiness()[0] == 200)
    valkey.kill()
    world.wait(
        "Redis is missed", lambda: service.readiness() == (503, {"redis": "unavailable", "postgres": "ok"})
    )
    valkey.start()
    # An empty server: what comes from now on must be read, through a group that is made again.
    world.wait("Redis is back", lambda: service.readiness()[0] == 200)
    add(world, fields(GAME, idempotency_key="k-2"))
    eventually(world, "the second push", 1, PUSHES)
    assert service.process.stop() == 0
    told = [
        (each["dependency"], each["level"])
        for each in service.process.records()
        if each["event"].startswith("dependency_")
    ]
    for dependency in ("postgres", "redis"):
        levels = [level for name, level in told if name == dependency]
        assert levels[:2] == ["WARNING", "INFO"]


def test_without_the_user_service_pushes_go_on_and_mail_waits(starter: Starter, world: World) -> None:
    world.users.add("u-1")
    world.users.give("u-1", *[(503, {})] * 3)
    service = starter.start(NOTIFICATION_EMAIL_BACKOFF_FIRST_MS="1", NOTIFICATION_EMAIL_BACKOFF_MOST_MS="1")
    add(world, fields(INVITE))
    eventually(world, "the push", 1, PUSHES)
    eventually(world, "the mail", 1, MAILS)
    assert service.readiness()[0] == 200
    assert service.process.stop() == 0
    told = [each["level"] for each in service.process.records() if each.get("dependency") == "user"]
    assert told == ["WARNING", "INFO"]


def test_entries_that_a_killed_instance_had_taken_are_handled_by_another_once(
    starter: Starter, world: World
) -> None:
    world.command("XGROUP", "CREATE", INTENTS, "notification", "0", "MKSTREAM")
    add(world, *(fields(GAME, idempotency_key=f"k-{n}") for n in range(20)))
    # Delivered to an instance that is no more, and not acknowledged.
    world.command("XREADGROUP", "GROUP", "notification", "dead", "COUNT", 10, "STREAMS", INTENTS, ">")
    starter.start(NOTIFICATION_CLAIM_IDLE_MS="200")
    events = eventually(world, "every push", 20, PUSHES)
    assert len({event["event_id"] for event in events}) == len(events) == 20
    world.wait("all is acknowledged", lambda: world.command("XPENDING", INTENTS, "notification")[0] == 0)


def test_a_kill_at_any_time_loses_and_doubles_nothing(starter: Starter, world: World) -> None:
    quick = {
        "NOTIFICATION_CLAIM_IDLE_MS": "100",
        "NOTIFICATION_LEASE_MS": "150",
        "NOTIFICATION_USER_TIMEOUT_MS": "100",
        "NOTIFICATION_BATCH_SIZE": "20",
    }
    rounds, each = 4, 150
    for round_ in range(rounds):
        service = starter.start(NOTIFICATION_INSTANCE_ID=f"i-{round_ % 2}", **quick)
        before = len(world.pushes())
        add(world, *(fields(GAME, idempotency_key=f"k-{round_}-{n}") for n in range(each)))
        eventually(world, "some of them", before + 1, PUSHES)
        service.process.kill()
    starter.start(NOTIFICATION_INSTANCE_ID="last", **quick)
    events = eventually(world, "every push", rounds * each, PUSHES)
    world.wait("all is recorded", lambda: {row[2] for row in world.states()} == {"delivered"})
    assert len({event["event_id"] for event in events}) == len(world.pushes()) == rounds * each


def test_sigterm_finishes_what_was_taken_and_leaves_the_rest_to_others(
    starter: Starter, world: World
) -> None:
    service = starter.start()
    count = 1000
    add(world, *(fields(GAME, idempotency_key=f"k-{n}") for n in range(count)))
    eventually(world, "the first push", 1, PUSHES)
    assert service.process.stop() == 0
    assert [each for each in service.process.records() if each["level"] in {"WARNING", "ERROR"}] == []
    # Each intent that was taken in is out and acknowledged; nothing is half done.
    (group,) = world.command("XINFO", "GROUPS", INTENTS)
    about = dict(zip(group[::2], group[1::2], strict=True))
    assert about[b"entries-read"] - about[b"pending"] == len(world.states()) == len(world.pushes())
    assert {row[2] for row in world.states()} == {"delivered"}
    starter.start(NOTIFICATION_CLAIM_IDLE_MS="200")
    events = eventually(world, "every push", count, PUSHES)
    assert len({event["event_id"] for event in events}) == len(events) == count


def test_a_hanging_user_service_does_not_hold_up_the_end(starter: Starter, world: World) -> None:
    world.users.give("u-1", "hang")
    service = starter.start(NOTIFICATION_STOP_TIMEOUT_MS="500", NOTIFICATION_USER_TIMEOUT_MS="10000")
    add(world, fields(INVITE))
    world.run(world.users.called(1))
    assert service.process.stop() == 0
    assert [each["event"] for each in service.process.records() if each["level"] == "WARNING"] == [
        "routes_left_to_others"
    ]


def test_lifecycle_events_are_read(starter: Starter, world: World) -> None:
    starter.start()
    blocked = {"event": b"user.blocked", "user_id": b"u-1", "occurred_at_ms": b"1"}
    add(world, {"event": b"nonsense"}, blocked, stream="user:lifecycle_events")
    eventually(world, "the malformed one", 1, "user:lifecycle_events:rejected")
    world.wait("he is known", lambda: len(world.rows("SELECT 1 FROM user_states")) == 1)
    add(world, fields(GAME))
    world.wait("his route", lambda: world.states() == [("push", "u-1", "suppressed", "user_blocked")])
    assert world.pushes() == []


def test_a_boot_imports_nothing_that_it_does_not_need(starter: Starter) -> None:
    loaded = starter.processes.modules("notification.service")
    assert "notification.handlers" in loaded
    assert not loaded & {
        "yaml",
        "importlib.metadata",
        "tomllib",
        "jsonschema_rs",
        "redis",
        "httpx",
        "starlette",
    }
