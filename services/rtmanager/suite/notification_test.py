import json

from suite.world import World


def test_an_image_that_cannot_be_pulled_is_a_failed_result_and_an_intent(world: World) -> None:
    world.manager()
    game = world.game()
    missing = "registry.invalid/seatrial-engine:1.4.0"
    world.start_job(game, missing, requested_at_ms=1000)
    assert world.results(1) == [("start", "failure", "image_pull_failed")]
    (result,) = world.stores.stream("runtime:job_results")
    assert (result["container_id"], result["engine_endpoint"]) == ("", "")
    (intent,) = world.stores.wait_stream("notification:intents", 1)
    payload = json.loads(intent.pop("payload"))
    assert (intent["notification_type"], intent["producer"]) == ("runtime.image_pull_failed", "rtmanager")
    assert (intent["audience_kind"], intent["recipient_user_ids"]) == ("admin_email", "[]")
    assert intent["idempotency_key"] == f"rtmanager:{intent['request_id']}"
    assert payload.pop("attempted_at_ms") > 0
    assert payload == {
        "game_id": game,
        "image_ref": missing,
        "error_code": "image_pull_failed",
        "error_message": result["error_message"],
    }
    assert "registry.invalid" in result["error_message"]
    assert world.stores.stream("runtime:health_events") == []


def test_an_engine_that_ends_at_once_fails_each_start_and_leaves_nothing(world: World) -> None:
    world.manager()
    game, broken = world.game(), world.broken_engine()
    for turn in range(1, 4):
        world.start_job(game, broken)
        assert world.results(turn)[-1] == ("start", "failure", "container_start_failed")
        assert world.containers(game) == []
    intents = world.stores.wait_stream("notification:intents", 3)
    assert {each["notification_type"] for each in intents} == {"runtime.container_start_failed"}
    assert len({each["idempotency_key"] for each in intents}) == 3
    assert "status 3" in json.loads(intents[0]["payload"])["error_message"]
    assert world.stores.stream("runtime:health_events") == []


def test_a_network_that_is_not_there_is_a_wrong_configuration(world: World) -> None:
    world.manager(NETWORK="not-there")
    game = world.game()
    world.start_job(game, world.engines.first)
    assert world.results(1) == [("start", "failure", "start_config_invalid")]
    (intent,) = world.stores.wait_stream("notification:intents", 1)
    assert intent["notification_type"] == "runtime.start_config_invalid"
    assert world.containers(game) == []
