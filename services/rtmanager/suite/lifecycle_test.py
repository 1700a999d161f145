import os
import stat

from suite.inprocess import RUNTIMES
from suite.world import World


def test_a_whole_life(world: World) -> None:
    manager, game = world.manager(), world.game()
    record = manager.start(game, world.engines.first)
    assert (record["status"], record["image_ref"]) == ("running", world.engines.first)
    assert record["engine_endpoint"] == f"http://game-{game}:8080"

    assert manager.do(game, "stop", {"reason": "pause"}, x_caller="gm").body["status"] == "stopped"
    assert world.container(game)["State"]["Status"] == "exited"
    restarted = manager.do(game, "restart").body
    assert restarted["status"] == "running"
    assert restarted["container_id"] != record["container_id"]
    patched = manager.do(game, "patch", {"image_ref": world.engines.patched}).body
    assert (patched["status"], patched["image_ref"]) == ("running", world.engines.patched)
    assert world.container(game)["Id"] == patched["container_id"]

    assert manager.call("DELETE", f"{RUNTIMES}/{game}").error == (409, "conflict")
    assert manager.do(game, "stop", {"reason": "finished"}).body["status"] == "stopped"
    assert manager.call("DELETE", f"{RUNTIMES}/{game}").body["status"] == "removed"
    assert world.containers(game) == []
    assert (world.state_root / game).is_dir()

    log = manager.call("GET", f"{RUNTIMES}/{game}/operations").body["operations"]
    assert [(each["kind"], each["op_source"], each["status"]) for each in reversed(log)] == [
        ("start", "admin", "success"),
        ("stop", "gm", "success"),
        ("restart", "admin", "success"),
        ("patch", "admin", "success"),
        ("stop", "admin", "success"),
        ("cleanup", "admin", "success"),
    ]
    ordered = [(kind, details.get("ordered")) for kind, details in world.health(6)]
    assert ordered == [("container_started", None), ("container_exited", True)] * 3


def test_a_container_is_made_as_promised(world: World) -> None:
    manager, game = world.manager(), world.game()
    manager.start(game, world.engines.first)
    found = world.container(game)
    config, host = found["Config"], found["HostConfig"]
    assert (found["Name"], config["Hostname"]) == (f"/game-{game}", f"game-{game}")
    assert config["Labels"]["seatrial.rtmanager.image_ref"] == world.engines.first
    assert world.labels.items() <= config["Labels"].items()
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 128 << 20, 64)
    assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges"])
    assert list(found["NetworkSettings"]["Networks"]) == [world.network]
    state = (world.state_root / game).stat()
    assert stat.S_IMODE(state.st_mode) == 0o750
    owner = (10001, 10001) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    assert (state.st_uid, state.st_gid) == owner
    assert config["User"] == f"{owner[0]}:{owner[1]}"
    assert "GAME_STATE_PATH=/state" in config["Env"]


def test_a_patch_of_another_minor_version_leaves_the_engine_running(world: World) -> None:
    manager, game = world.manager(), world.game()
    record = manager.start(game, world.engines.first)
    refused = manager.do(game, "patch", {"image_ref": world.engines.first.replace(":1.4.0", ":1.5.0")})
    assert refused.error == (409, "semver_patch_only")
    missing = manager.do(game, "patch", {"image_ref": world.engines.first.replace(":1.4.0", ":1.4.9")})
    assert missing.error == (502, "image_pull_failed")
    assert manager.get(game)["container_id"] == record["container_id"]
    assert world.container(game)["State"]["Running"]


def test_a_foreign_container_that_has_the_name_is_left_alone(world: World) -> None:
    manager, game = world.manager(), world.game()
    foreign = world.docker.create_container(
        world.engines.first,
        name=f"game-{game}",
        labels=dict(world.labels) | {"seatrial.rtmanager.game_id": game},
    )["Id"]
    answer = manager.do(game, "start", {"image_ref": world.engines.first})
    assert answer.error == (502, "container_start_failed")
    assert "rename or remove it" in answer.body["error"]["message"]
    assert world.docker.inspect_container(foreign)["State"]["Status"] == "created"
    assert world.containers(game) == []


def test_what_was_stopped_long_ago_is_removed_and_its_state_kept(world: World) -> None:
    manager, game = world.manager(STOPPED_RETENTION_MS="1"), world.game()
    manager.start(game, world.engines.first)
    manager.do(game, "stop", {"reason": "finished"})
    world.until("the removal", lambda: manager.get(game)["status"] == "removed")
    assert world.containers(game) == []
    assert (world.state_root / game).is_dir()
    log = manager.call("GET", f"{RUNTIMES}/{game}/operations").body["operations"]
    assert (log[0]["kind"], log[0]["op_source"]) == ("cleanup", "retention")
