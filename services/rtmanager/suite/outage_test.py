from suite.inprocess import RUNTIMES
from suite.world import World


def test_docker_away_is_said_and_heals(world: World) -> None:
    proxy, game = world.proxy(), world.game()
    manager = world.manager(DOCKER_HOST=proxy.url)
    manager.start(game, world.odd_engine())
    assert set(manager.readiness().values()) == {"ok"}
    with proxy.cut():
        assert manager.readiness() == {"postgres": "ok", "redis": "ok", "docker": "unavailable"}
        assert manager.do(game, "restart").error == (503, "docker_unavailable")
        assert manager.call("GET", f"{RUNTIMES}/{game}").status == 200
        world.ask(game, "/crash")
    # Both ways at once: the events that were missed are asked for, and everything is compared.
    assert world.health(2)[1] == ("container_exited", {"exit_code": 7, "ordered": False})
    assert manager.readiness()["docker"] == "ok"
    assert manager.do(game, "restart").status == 200
    world.looked_again(manager)
    world.health(3)


def test_events_come_again_after_an_outage(world: World) -> None:
    proxy, game = world.proxy(), world.game()
    manager = world.manager(
        DOCKER_HOST=proxy.url, RECONCILE_INTERVAL_MS="600000", INSPECT_INTERVAL_MS="600000"
    )
    manager.start(game, world.engines.first)
    with proxy.cut():
        world.until("the outage is seen", lambda: manager.readiness()["docker"] == "unavailable")
    seen = len(proxy.requests)
    world.until(
        "the events are followed again",
        lambda: any(path.startswith("/events") for _, path in proxy.requests[seen:]),
    )
    world.docker.remove_container(world.container(game)["Id"], force=True)
    assert [kind for kind, _ in world.health(2)] == ["container_started", "container_disappeared"]


def test_a_stop_job_waits_for_docker(world: World) -> None:
    proxy, game = world.proxy(), world.game()
    manager = world.manager(DOCKER_HOST=proxy.url)
    manager.start(game, world.engines.first)
    with proxy.cut():
        world.stop_job(game)
        world.until("the job is taken", lambda: _log(world, game)[0]["kind"] == "stop")
        assert world.stores.stream("runtime:job_results") == []
    assert world.results(1) == [("stop", "success", "")]
    assert world.container(game)["State"]["Status"] == "exited"


def test_a_start_job_waits_a_while_and_what_it_had_begun_is_removed_when_docker_is_back(world: World) -> None:
    proxy, game = world.proxy(), world.game()
    world.manager(DOCKER_HOST=proxy.url, START_PATIENCE_MS="1500")
    hold = proxy.hold(r"POST /containers/\w+/start", when="after")
    world.start_job(game, world.engines.first)
    hold.wait()
    with proxy.cut():
        hold.release()
        assert world.results(1) == [("start", "failure", "docker_unavailable")]
        assert world.container(game)["State"]["Running"]
    world.until("nothing is left of it", lambda: world.containers(game) == [])
    assert world.stores.stream("runtime:health_events") == []


def test_a_start_that_docker_left_half_done_is_finished_when_it_is_back(world: World) -> None:
    proxy, game = world.proxy(), world.game()
    world.manager(DOCKER_HOST=proxy.url)
    hold = proxy.hold("POST /containers/create", when="after")
    world.start_job(game, world.engines.first)
    hold.wait()
    with proxy.cut():
        hold.release()
        assert world.container(game)["State"]["Status"] == "created"
    assert world.results(1) == [("start", "success", "")]
    assert world.container(game)["State"]["Running"]
    assert [kind for kind, _ in world.health(1)] == ["container_started"]


def _log(world: World, game: str) -> list[dict[str, str]]:
    return world.stores.rows(
        "SELECT kind, status FROM operations WHERE game_id = $1 ORDER BY position DESC", game
    )
