"""A pull that takes longer than the lease. The registry is played by the proxy before Docker."""

from suite.dockerproxy import Hold
from suite.world import World

LEASE_MS = 400
PULLED = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n{"status":"Pull complete"}\r\n'


def _pull(world: World, hold: Hold, image_ref: str) -> None:
    """The image arrives, and Docker says so."""
    repository, _, tag = image_ref.rpartition(":")
    world.docker.tag(world.engines.base, repository, tag)
    hold.answer = PULLED
    hold.release()


def _missing(world: World) -> str:
    """An image of this run's own that is not there yet."""
    reference = f"seatrial-engine-pulled:{world.engines.first.rpartition(':')[2]}"
    world.forget_image(reference)
    return reference


def test_a_slow_pull_does_not_lose_the_lease(world: World) -> None:
    proxy, game, image_ref = world.proxy(), world.game(), _missing(world)
    world.manager(DOCKER_HOST=proxy.url, LEASE_MS=str(LEASE_MS))
    hold = proxy.hold("POST /images/create")
    world.start_job(game, image_ref)
    hold.wait()
    other = world.manager(INSTANCE_ID="other")  # only now: it would take the job itself
    held = world.stores.command("GET", f"rtmanager:lease:{game}")
    for _ in range(3):  # it runs on, and is renewed
        world.until("little is left", lambda: world.lease_left_ms(game) < LEASE_MS * 3 // 4)
        world.until("much is left", lambda: world.lease_left_ms(game) > LEASE_MS * 3 // 4)
    assert world.stores.command("GET", f"rtmanager:lease:{game}") == held
    assert other.do(game, "start", {"image_ref": image_ref}).error == (409, "conflict")
    _pull(world, hold, image_ref)
    assert world.results(1) == [("start", "success", "")]
    assert [kind for kind, _ in world.health(1)] == ["container_started"]
    assert world.container(game)["State"]["Running"]


def test_a_lost_lease_stops_the_operation_before_its_next_step(world: World) -> None:
    proxy, game, image_ref = world.proxy(), world.game(), _missing(world)
    manager = world.manager(DOCKER_HOST=proxy.url, LEASE_MS=str(LEASE_MS), RESUME_INTERVAL_MS="60000")
    hold = proxy.hold("POST /images/create")
    world.start_job(game, image_ref)
    hold.wait()
    world.stores.command("SET", f"rtmanager:lease:{game}", "thief/life/999999", "PX", 60_000)
    world.until("the loss is seen", lambda: manager.metric("rtmanager_leases_lost_total"))
    _pull(world, hold, image_ref)
    world.until("the first one has given up", lambda: not manager.metric("rtmanager_games_in_work"))
    assert not any(path.startswith("/containers/create") for _, path in proxy.requests)
    assert world.stores.stream("runtime:job_results") == []
    world.stores.command("DEL", f"rtmanager:lease:{game}")
    world.manager(INSTANCE_ID="other")
    assert world.results(1) == [("start", "success", "")]
    assert [kind for kind, _ in world.health(1)] == ["container_started"]
    assert len(world.containers(game)) == 1
