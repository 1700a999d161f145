"""rtmanager's own operations, as the game master and administrators call them."""

import functools
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from contracts import images
from contracts.http import Answer
from contracts.platform.platform import Platform
from contracts.rtmanager import client
from contracts.streams import schema
from contracts.streams.stream_log import Entry
from seatrial import Environment, until
from seatrial.containers.image import ContainerImage

GAME: Final = "game-that-nobody-started"
BODIES: Final[dict[str, Any]] = {
    "startRuntime": {"image_ref": "seatrial-engine:1.4.0"},
    "stopRuntime": {"reason": "finished"},
    "patchRuntime": {"image_ref": "seatrial-engine:1.4.1"},
}


def new_game() -> str:
    """A game's id that names no container on this machine yet."""
    return f"g-{uuid.uuid4()}"


def having(outcome: str) -> list[str]:
    """The operations that document an outcome."""
    return [each.id for each in client.contract().operations.values() if outcome in each.outcomes]


def arguments(operation: str, game: str = GAME) -> dict[str, Any]:
    """A right request of an operation."""
    found: dict[str, Any] = {} if operation == "listRuntimes" else {"path": {"game_id": game}}
    return found | ({"json_body": BODIES[operation]} if operation in BODIES else {})


def test_a_runtime_is_started_patched_restarted_stopped_and_cleaned_up(
    platform: Platform, image: str, patched_image: str
) -> None:
    http, game = platform.rtmanager.http, new_game()
    first = http.start(game, image, headers={"X-Caller": "gm"}).expect(200).json()
    assert (first["status"], first["image_ref"]) == ("running", image)
    assert http.start(game, image).expect(200).header("x-error-code") == "replay_no_op"
    http.start(game, patched_image).expect_error(409, "conflict")
    http.cleanup(game).expect_error(409, "conflict")
    assert http.patch(game, patched_image).expect(200).json()["image_ref"] == patched_image
    http.patch(game, patched_image.replace("1.4.1", "1.5.0")).expect_error(409, "semver_patch_only")
    http.patch(game, "seatrial-engine:latest").expect_error(400, "image_ref_not_semver")
    restarted = http.restart(game).expect(200).json()
    assert restarted["container_id"] != first["container_id"]
    assert [each["game_id"] for each in http.runtimes(status="running").expect(200).json()["runtimes"]] == [
        game
    ]
    assert http.stop(game).expect(200).json()["status"] == "stopped"
    assert http.stop(game).expect(200).header("x-error-code") == "replay_no_op"
    state = platform.environment.artifacts / "games" / game
    assert state.stat().st_mode & 0o777 == 0o750
    assert http.cleanup(game).expect(200).json()["status"] == "removed"
    assert platform.containers(game) == ()
    assert state.is_dir()
    log = [(each["kind"], each["op_source"]) for each in http.all_operations(game, page_size=2)]
    assert log[-1] == ("start", "gm")
    assert {kind for kind, _ in log} >= {"start", "patch", "restart", "stop", "cleanup"}


def test_cleanup_and_reconcile_leave_foreign_containers_alone(
    platform: Platform, environment: Environment, image: str
) -> None:
    game = new_game()
    http = platform.rtmanager.http
    foreign = environment.container(
        image,
        labels={"seatrial.rtmanager.deployment": "somebody-else-s", "seatrial.rtmanager.game_id": game},
        environment={"GAME_STATE_PATH": "/tmp/state"},
    )
    http.start(game, image).expect(200)
    http.stop(game).expect(200)
    assert foreign.status == "running"
    http.cleanup(game).expect(200)
    assert foreign.status == "running"
    platform.rtmanager.process.restart()
    until("it to be ready again", lambda: platform.rtmanager.admin.ready().status == 200)
    assert foreign.status == "running"
    assert [each["game_id"] for each in http.runtimes(status="running").expect(200).json()["runtimes"]] == []


def test_an_engine_may_use_what_its_image_says_and_not_the_defaults(
    boot: Callable[..., Platform], image: str
) -> None:
    platform = boot(
        settings={"rtmanager": {"DEFAULT_CPUS": "0.25", "DEFAULT_MEMORY": "96MiB", "DEFAULT_PIDS": "48"}}
    )
    game = new_game()
    platform.rtmanager.http.start(game, image).expect(200)
    (container,) = platform.containers(game)
    limits = container.inspect()["HostConfig"]
    assert {name: container.labels[f"seatrial.engine.{name}"] for name in ("cpus", "memory", "pids")} == {
        "cpus": "0.5",
        "memory": "128m",
        "pids": "64",
    }
    assert (limits["NanoCpus"], limits["Memory"], limits["PidsLimit"]) == (500_000_000, 128 << 20, 64)


@pytest.fixture
def moving_image(environment: Environment) -> Iterator[Callable[[ContainerImage], str]]:
    """A name of an image that means what the test last said."""
    engine = environment.engine.engine
    with images.engine_tag(images.engine_image("1.4.0"), "1.6.0") as reference:
        repository, _, tag = reference.partition(":")

        def mean(image: ContainerImage) -> str:
            assert engine.client.images.get(image.reference()).tag(repository, tag)
            return reference

        yield mean


@pytest.fixture
def hasty(boot: Callable[..., Platform]) -> Platform:
    """A platform whose engines must answer at once."""
    platform = boot(settings={"rtmanager": {"START_TIMEOUT_MS": "5000"}})
    platform.rtmanager.process.allow_log("operation_failed")
    return platform


def test_an_image_that_cannot_be_had_changes_nothing(
    hasty: Platform, image: str, moving_image: Callable[[ContainerImage], str]
) -> None:
    first_game, second_game, third_game = new_game(), new_game(), new_game()
    http, moving = hasty.rtmanager.http, moving_image(images.engine_image("1.4.0"))
    http.start(first_game, "seatrial-engine-that-nobody-made:1.0.0").expect_error(502, "image_pull_failed")
    assert hasty.containers(first_game) == ()
    http.start(second_game, image).expect(200)
    http.patch(second_game, image.replace(":1.4.0", ":1.4.99")).expect_error(502, "image_pull_failed")
    http.start(third_game, moving).expect(200)
    hasty.environment.engine.engine.remove_image(moving)
    http.restart(third_game).expect_error(502, "image_pull_failed")
    moving_image(images.engine_image("1.4.0"))
    for game in (second_game, third_game):
        assert http.runtime(game).expect(200).json()["status"] == "running"
    told = hasty.streams.wait_for(schema.INTENTS, "the intent", bool)
    assert told["notification_type"] == "runtime.image_pull_failed"


def test_limits_that_mean_nothing_change_nothing(
    hasty: Platform, image: str, moving_image: Callable[[ContainerImage], str]
) -> None:
    first_game, second_game, third_game = new_game(), new_game(), new_game()
    http, wrong = hasty.rtmanager.http, images.engine_image("1.4.0", memory="plenty")
    moving = moving_image(images.engine_image("1.4.0"))
    http.start(first_game, moving).expect(200)
    assert moving_image(wrong) == moving
    http.restart(first_game).expect_error(400, "start_config_invalid")
    http.patch(first_game, moving.replace("1.6.0", "1.6.1")).expect_error(502, "image_pull_failed")
    http.start(second_game, moving).expect_error(400, "start_config_invalid")
    with images.engine_tag(wrong, "1.6.1") as patch:
        http.patch(first_game, patch).expect_error(400, "start_config_invalid")
    assert http.runtime(first_game).expect(200).json()["status"] == "running"
    http.start(third_game, image).expect(200)


def test_an_engine_that_does_not_answer_is_removed(
    hasty: Platform, moving_image: Callable[[ContainerImage], str]
) -> None:
    first_game, second_game, third_game = new_game(), new_game(), new_game()
    http, moving = hasty.rtmanager.http, moving_image(images.engine_image("1.4.0"))
    for game in (first_game, second_game):
        http.start(game, moving).expect(200)
    moving_image(images.redis_image())
    with images.engine_tag(images.redis_image(), "1.6.1") as patch:
        answers = hasty.together(
            lambda: http.start(third_game, moving, timeout=30.0),
            lambda: http.restart(first_game, timeout=30.0),
            lambda: http.patch(second_game, patch, timeout=30.0),
        )
    for answer in answers:
        answer.expect_error(502, "container_start_failed")
    assert hasty.containers(third_game) == ()


def test_as_soon_as_a_job_has_its_result_another_operation_may_begin(
    boot: Callable[..., Platform], image: str
) -> None:
    platform = boot(parts=("rtmanager",))
    http, streams = platform.rtmanager.http, platform.streams
    for game in (new_game() for _ in range(5)):
        fields = {"game_id": game, "image_ref": image, "requested_at_ms": streams.now_ms()}
        streams.publish_unchecked(schema.START_JOBS, fields)
        streams.wait_for(schema.JOB_RESULTS, "the result", functools.partial(_is_of, game), timeout=30.0)
        http.stop(game).expect(200)
        http.cleanup(game).expect(200)
        assert platform.containers(game) == ()


def _is_of(game: str, entry: Entry) -> bool:
    return entry["game_id"] == game


def test_one_operation_at_a_time_runs_on_a_game(
    boot: Callable[..., Platform], moving_image: Callable[[ContainerImage], str]
) -> None:
    game = new_game()
    platform = boot(settings={"rtmanager": {"START_TIMEOUT_MS": "5000"}})
    platform.rtmanager.process.allow_log("operation_failed")
    http, moving = platform.rtmanager.http, moving_image(images.engine_image("1.4.0"))
    first = http.start(game, moving).expect(200).json()["container_id"]
    moving_image(images.redis_image())

    def another_container() -> bool:
        return any(container.id != first for container in platform.containers(game))

    def meanwhile() -> list[Answer]:
        until("the restart to have made its container", another_container, timeout=20.0)
        return [http.stop(game), http.restart(game), http.patch(game, moving), http.start(game, moving)]

    restarted, refused = platform.together(lambda: [http.restart(game, timeout=30.0)], meanwhile)
    assert restarted[0].error_code == "container_start_failed"
    for answer in refused:
        answer.expect_error(409, "conflict")


def test_a_game_that_is_not_there_is_not_found(platform: Platform) -> None:
    for operation in having("404 not_found"):
        platform.rtmanager.http.call(operation, **arguments(operation)).expect_error(404, "not_found")


def test_a_request_that_is_wrong_is_refused(platform: Platform) -> None:
    http = platform.rtmanager.http
    for operation in having("400 invalid_request"):
        request = {**arguments(operation), "query": {"unknown": "1"}, "unchecked": True}
        http.call(operation, **request).expect_error(400, "invalid_request")
        http.call(operation, **arguments(operation), method="PUT", unchecked=True).expect_error(
            405, "method_not_allowed"
        )
    for operation in having("413 request_too_large"):
        path = arguments(operation)["path"]
        large = dict.fromkeys(BODIES[operation], "x" * 20000)
        http.call(operation, path=path, json_body=large, unchecked=True).expect_error(
            413, "request_too_large"
        )
        answer = http.call(operation, path=path, body=b"{}", content_type="text/plain", unchecked=True)
        answer.expect_error(415, "unsupported_media_type")


@pytest.mark.parametrize("store", ["postgres", "redis"])
def test_without_a_store_operations_are_unavailable(boot: Callable[..., Platform], store: str) -> None:
    platform = boot(proxied=[f"rtmanager to {store}"])
    platform.rtmanager.process.allow_log("dependency_unavailable")
    with platform.proxies[f"rtmanager to {store}"].reset():
        assert platform.rtmanager.admin.dependencies()[store]["status"] == "unavailable"
        for operation in having("503 service_unavailable") if store == "postgres" else ["startRuntime"]:
            answer = platform.rtmanager.http.call(operation, **arguments(operation))
            answer.expect_error(503, "service_unavailable")
    until("it to be ready again", lambda: platform.rtmanager.admin.ready().status == 200)


def test_without_docker_operations_are_unavailable_until_it_is_back(
    boot: Callable[..., Platform], image: str
) -> None:
    game = new_game()
    platform = boot(proxied=["rtmanager to docker"])
    platform.rtmanager.process.allow_log("dependency_unavailable")
    http = platform.rtmanager.http
    http.start(game, image).expect(200)
    with platform.proxies["rtmanager to docker"].reset():
        until(
            "/readyz to name docker",
            lambda: platform.rtmanager.admin.dependencies()["docker"]["status"] == "unavailable",
        )
        for operation in having("503 docker_unavailable"):
            http.call(operation, **arguments(operation, game)).expect_error(503, "docker_unavailable")
        http.runtime(game).expect(200)
    until("it to be ready again", lambda: platform.rtmanager.admin.ready().status == 200, timeout=30.0)
    until("the game to be stopped again", lambda: http.stop(game).status == 200, timeout=30.0)
