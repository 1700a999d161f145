import pytest
from servicekit.client import HttpClient
from servicekit.testing.peer import Answer

from authsession.conftest import World
from authsession.users import RestUsers, StubUsers, User, UserServiceError

ADDRESS = "ada@example.test"


def rest(world: World, url: str, timeout: float = 5.0) -> RestUsers:
    client = world.enter(HttpClient(url, timeout=timeout))
    return RestUsers(client, world.dependency("user"))


def resolve(world: World, users: RestUsers) -> User:
    return world.run(users.resolve(ADDRESS, "de", "Europe/Berlin"))


def test_the_stub_knows_everybody_and_always_the_same(world: World) -> None:
    stub = StubUsers()
    ada = world.run(stub.resolve(ADDRESS, "de", "UTC"))
    assert ada == world.run(stub.resolve(ADDRESS, "en", "Europe/Berlin"))
    assert ada.status == "active"
    assert ada != world.run(stub.resolve("bob@example.test", "de", "UTC"))
    assert "ada" not in ada.user_id


@pytest.mark.parametrize("status", ["active", "blocked"])
def test_the_service_is_asked_by_its_contract(world: World, status: str) -> None:
    peer, url = world.peer((200, {"user_id": "u1", "status": status, "since": "later versions may say more"}))
    user = resolve(world, rest(world, url))
    assert (user.user_id, user.status) == ("u1", status)
    (call,) = peer.calls
    assert (call.method, call.path) == ("POST", "/api/v1/internal/users/resolve-by-email")
    assert call.headers["content-type"] == "application/json"
    assert call.body == {"email": ADDRESS, "preferred_language": "de", "time_zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((500, {}), "it answered 500"),
        ((404, {"user_id": "u1", "status": "active"}), "it answered 404"),
        ((201, {"user_id": "u1", "status": "active"}), "it answered 201"),
        ((200, {}), "does not match"),
        ((200, {"user_id": "u1"}), "does not match"),
        ((200, {"user_id": 1, "status": "active"}), "does not match"),
        ((200, {"user_id": "", "status": "active"}), "does not match"),
        ((200, {"user_id": "u/1", "status": "active"}), "does not match"),
        ((200, {"user_id": "u1\n", "status": "active"}), "does not match"),
        ((200, {"user_id": "u" * 129, "status": "active"}), "does not match"),
        ((200, {"user_id": "u1", "status": "frozen"}), "does not match"),
        ((200, {"user_id": "u1", "status": None}), "does not match"),
        ((200, [ADDRESS]), "does not match"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{]", "does not match"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xff", "does not match"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "does not match"),
        (b"SMTP ready\r\n\r\n", "malformed"),
        ("drop", "closed"),
    ],
)
def test_any_other_answer_is_a_failure(world: World, reply: Answer, reason: str) -> None:
    _, url = world.peer(reply)
    with pytest.raises(UserServiceError, match=reason) as failure:
        resolve(world, rest(world, url))
    assert "ada" not in str(failure.value)


def test_no_answer_in_time_is_a_failure_and_the_next_call_may_succeed(world: World) -> None:
    peer, url = world.peer("hang", (200, {"user_id": "u1", "status": "active"}))
    users = rest(world, url, timeout=0.2)
    with pytest.raises(UserServiceError, match="no answer within"):
        resolve(world, users)
    assert resolve(world, users).user_id == "u1"
    assert len(peer.calls) == 2


def test_a_service_that_is_gone_is_a_failure(world: World) -> None:
    peer, url = world.peer((200, {}))
    world.run(peer.stop())
    with pytest.raises(UserServiceError, match="no connection"):
        resolve(world, rest(world, url))


def test_the_state_of_the_service_is_told(world: World) -> None:
    _, url = world.peer((500, {}), (200, {"user_id": "u1", "status": "active"}))
    state = world.dependency("user")
    users = RestUsers(world.enter(HttpClient(url)), state)
    with pytest.raises(UserServiceError):
        resolve(world, users)
    assert state.reason == "it answered 500"
    resolve(world, users)
    assert state.available
