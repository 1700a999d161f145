import pytest

from authsession.conftest import World

ADDRESS = "ada@example.test"


def test_blocking_a_user_revokes_his_sessions_with_the_same_reason(world: World) -> None:
    ids = [world.sign_in(f"ada{n}") for n in range(2)]
    other = world.sign_in("bob", user_id="u2")
    block = world.run(world.blocks().block_user("u1", "abuse", "admin:1"))
    assert block.new
    assert block.revoked_count == 2
    for device_session_id in ids:
        session = world.run(world.sessions().get(device_session_id))
        assert session is not None
        assert (session.status, session.revoke_reason, session.revoked_by) == ("revoked", "abuse", "admin:1")
        assert session.revoked_at_ms == block.blocked_at_ms
    assert [event["event"] for event in world.events()[-2:]] == ["session.revoked"] * 2
    assert world.hash(f"gateway:session:{other}")["status"] == "active"


@pytest.mark.parametrize("subject", ["user", "address"])
def test_the_first_block_stays(world: World, subject: str) -> None:
    blocks = world.blocks()
    method, name = (blocks.block_user, "u1") if subject == "user" else (blocks.block_address, ADDRESS)
    first = world.run(method(name, "abuse", "admin:1"))
    second = world.run(method(name, "other", "admin:2"))
    assert first.new
    assert not second.new
    assert (second.reason_code, second.actor, second.blocked_at_ms) == (
        "abuse",
        "admin:1",
        first.blocked_at_ms,
    )


def test_a_block_of_an_address_does_not_hold_the_address(world: World) -> None:
    world.run(world.blocks().block_address(ADDRESS, "abuse", "admin:1"))
    (name,) = world.command("KEYS", "*")
    assert b"ada" not in name + world.command("DUMP", name)
    assert world.command("PTTL", name) == -1


def test_of_many_simultaneous_blocks_one_is_the_first(world: World) -> None:
    blocks = world.blocks()
    answers = world.together(*(blocks.block_user("u1", f"reason_{n}", "a") for n in range(20)))
    assert [answer.new for answer in answers].count(True) == 1
    assert len({answer.reason_code for answer in answers}) == 1
