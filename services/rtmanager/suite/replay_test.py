from suite.world import World


def test_a_start_job_that_comes_twice_starts_one_container(world: World) -> None:
    world.manager()
    game = world.game()
    for _ in range(2):
        world.start_job(game, world.engines.first, requested_at_ms=1000)
    assert world.results(2) == [("start", "success", ""), ("start", "success", "replay_no_op")]
    first, second = world.stores.stream("runtime:job_results")
    assert first["container_id"] == second["container_id"] == world.container(game)["Id"]
    assert first["engine_endpoint"] == second["engine_endpoint"] == f"http://game-{game}:8080"
    assert first["requested_at_ms"] == "1000"
    assert [kind for kind, _ in world.health(1)] == ["container_started"]


def test_a_stop_job_that_comes_twice_stops_once(world: World) -> None:
    manager, game = world.manager(), world.game()
    manager.start(game, world.engines.first)
    for _ in range(2):
        world.stop_job(game)
    assert world.results(2) == [("stop", "success", ""), ("stop", "success", "replay_no_op")]
    assert world.container(game)["State"]["Status"] == "exited"
    assert [kind for kind, _ in world.health(2)] == ["container_started", "container_exited"]


def test_a_stop_of_what_never_ran_succeeds_without_doing_anything(world: World) -> None:
    world.manager()
    world.stop_job(world.game())
    assert world.results(1) == [("stop", "success", "replay_no_op")]


def test_jobs_that_overtook_each_other_end_as_was_asked_last(world: World) -> None:
    game = world.game()
    world.stop_job(game, requested_at_ms=2000)
    world.start_job(game, world.engines.first, requested_at_ms=3000)
    world.manager()
    assert sorted(world.results(2)) == [("start", "success", ""), ("stop", "success", "replay_no_op")]
    world.stop_job(game, requested_at_ms=2999)  # an old one, delivered late
    assert world.results(3)[-1] == ("stop", "success", "replay_no_op")
    world.stop_job(game, requested_at_ms=4000)
    assert world.results(4)[-1] == ("stop", "success", "")
    world.start_job(game, world.engines.first, requested_at_ms=3999)
    assert world.results(5)[-1] == ("start", "failure", "conflict")
    assert world.container(game)["State"]["Status"] == "exited"


def test_games_start_beside_each_other_and_a_games_jobs_one_after_the_other(world: World) -> None:
    world.manager()
    games = [world.game() for _ in range(3)]
    for game in games:
        world.start_job(game, world.engines.first, requested_at_ms=1000)
        world.stop_job(game, requested_at_ms=2000)
    world.results(6)
    for game in games:
        mine = [each for each in world.stores.stream("runtime:job_results") if each["game_id"] == game]
        assert all(each["outcome"] == "success" or each["error_code"] == "conflict" for each in mine)
        assert not any(each["State"]["Running"] for each in world.containers(game))


def test_a_malformed_job_is_set_aside_and_the_next_one_comes(world: World) -> None:
    world.manager()
    game = world.game()
    broken = world.stores.add("runtime:start_jobs", game_id=game, image_ref=world.engines.first)
    world.start_job(game, world.engines.first)
    assert world.results(1) == [("start", "success", "")]
    (aside,) = world.stores.wait_stream("runtime:start_jobs:rejected", 1)
    assert aside == {
        "entry_id": broken,
        "reason": "requested_at_ms: is missing",
        "entry:game_id": game,
        "entry:image_ref": world.engines.first,
    }
