import pytest

from gateway.routing import Routes, parse_prefix


def test_the_longest_prefix_wins() -> None:
    routes = Routes({"lobby.": "http://a", "lobby.games.": "http://b", "user.": "http://c"})
    assert [route.base_url for route in routes] == ["http://b", "http://a", "http://c"]
    found = {kind: routes.find(kind) for kind in ("lobby.games.join", "lobby.list", "user.get")}
    assert {kind: route and route.base_url for kind, route in found.items()} == {
        "lobby.games.join": "http://b",
        "lobby.list": "http://a",
        "user.get": "http://c",
    }


@pytest.mark.parametrize("message_type", ["lobbyist.join", "other.lobby.x", "gateway.subscribe"])
def test_no_prefix_no_route(message_type: str) -> None:
    assert Routes({"lobby.": "http://a"}).find(message_type) is None


@pytest.mark.parametrize("text", ["lobby", "", ".", "Lobby.", "lobby..", "lobby.*", "1obby."])
def test_a_prefix_is_dotted_words_with_a_dot_at_the_end(text: str) -> None:
    assert parse_prefix("lobby.games.") == "lobby.games."
    with pytest.raises(ValueError, match="end in a dot"):
        parse_prefix(text)


@pytest.mark.parametrize("text", ["gateway.", "gateway.internal."])
def test_the_gateways_own_prefix_has_no_route(text: str) -> None:
    with pytest.raises(ValueError, match="gateway's own"):
        parse_prefix(text)
