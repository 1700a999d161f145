from suite.world import World


def test_a_container_removed_from_outside_has_disappeared_once(world: World) -> None:
    manager, game = world.manager(), world.game()
    record = manager.start(game, world.engines.first)
    world.docker.remove_container(record["container_id"], force=True)
    told = world.health(2)
    assert told[1] == ("container_disappeared", {"image_ref": world.engines.first})
    assert manager.get(game)["status"] == "removed"
    world.looked_again(manager)
    world.health(2)


def test_a_container_started_by_hand_is_adopted(world: World) -> None:
    manager, game = world.manager(), world.game()
    labels = {"seatrial.rtmanager.deployment": world.deployment, "seatrial.rtmanager.game_id": game}
    made = world.docker.create_container(
        world.engines.first,
        name=f"by-hand-{game}",
        labels=dict(world.labels) | labels,
        host_config=world.docker.create_host_config(network_mode=world.network),
    )["Id"]
    world.docker.start(made)
    assert world.health(1) == [("container_started", {"image_ref": world.engines.first, "adopted": True})]
    record = manager.get(game)
    assert (record["status"], record["container_id"]) == ("running", made)
    assert record["engine_endpoint"] == f"http://by-hand-{game}:8080"
    answer = manager.do(game, "start", {"image_ref": world.engines.first})
    assert (answer.status, answer.error_code) == (200, "replay_no_op")
    world.stop_job(game)
    assert world.results(1) == [("stop", "success", "")]
    world.looked_again(manager)
    world.health(2)


def test_a_crash_is_told_once_with_its_status(world: World) -> None:
    manager, game = world.manager(), world.game()
    manager.start(game, world.odd_engine())
    world.ask(game, "/crash")
    assert world.health(2)[1] == ("container_exited", {"exit_code": 7, "ordered": False})
    assert manager.get(game)["status"] == "stopped"
    world.looked_again(manager)
    world.health(2)


def test_a_kill_for_memory_is_told_as_such_once(world: World) -> None:
    manager, game = world.manager(), world.game()
    manager.start(game, world.odd_engine())
    world.ask(game, "/eat")
    assert world.health(2)[1] == ("container_oom", {"exit_code": 137, "exited": True})
    assert manager.get(game)["status"] == "stopped"
    world.looked_again(manager)
    world.health(2)


def test_a_crash_loop_tells_of_every_turn_once(world: World) -> None:
    manager, game = world.manager(), world.game()
    manager.start(game, world.odd_engine())
    for turn in range(1, 4):
        world.ask(game, "/crash")
        world.stores.wait_stream("runtime:health_events", 2 * turn)
        world.until("the end is recorded", lambda: manager.get(game)["status"] == "stopped")
        if turn < 3:
            assert manager.do(game, "restart").status == 200
    world.looked_again(manager)
    assert [kind for kind, _ in world.health(6)] == ["container_started", "container_exited"] * 3


def test_an_ill_engine_fails_its_probes_and_recovers(world: World) -> None:
    manager, game = world.manager(PROBE_INTERVAL_MS="100"), world.game()
    manager.start(game, world.odd_engine())
    world.ask(game, "/sick")
    assert world.health(2)[1] == ("probe_failed", {"failures": 3, "reason": "the answer was 500"})
    assert manager.get(game)["probe"] == "failed"
    world.ask(game, "/well")
    assert world.health(3)[2] == ("probe_recovered", {"successes": 2})
    record = manager.get(game)
    assert (record["probe"], record["status"]) == ("ok", "running")


def test_what_happened_while_no_rtmanager_ran_is_told_at_its_boot(world: World) -> None:
    games = [world.game() for _ in range(3)]
    with world.lifetime() as manager:
        for game in games:
            manager.start(game, world.engines.first)
    exited, gone, _ = games
    world.docker.kill(world.container(exited)["Id"])
    world.docker.remove_container(world.container(gone)["Id"], force=True)
    manager = world.manager()
    told = {kind for kind, _ in world.health(5)[3:]}
    assert told == {"container_exited", "container_disappeared"}
    assert [manager.get(game)["status"] for game in games] == ["stopped", "removed", "running"]
    world.looked_again(manager)
    world.health(5)


def test_two_instances_tell_once(world: World) -> None:
    one, other = world.manager(INSTANCE_ID="one"), world.manager(INSTANCE_ID="other")
    game = world.game()
    one.start(game, world.odd_engine())
    world.ask(game, "/crash")
    world.health(2)
    world.looked_again(one)
    world.looked_again(other)
    assert [kind for kind, _ in world.health(2)] == ["container_started", "container_exited"]
