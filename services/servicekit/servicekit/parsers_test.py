"""Parsers, by what they take, what they refuse, and what their refusals say."""

import base64
import re
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import parsers
from servicekit.parsers import Address, Limit, Parser

_EVERY: list[Parser[object]] = [
    parsers.text(pattern="[a-z]+", maximum=20), parsers.integer(0, 10), parsers.milliseconds(), parsers.size(),
    parsers.boolean(), parsers.one_of("a", "b"), parsers.url("http", "unix"), parsers.address(), parsers.cidrs(),
    parsers.postgres_dsn(), parsers.base64_key(32), parsers.mapping(parsers.text(), parsers.integer()), parsers.limit(),
    parsers.name(),
]  # fmt: skip


@given(st.sampled_from(_EVERY), st.text())
def test_any_text_is_a_value_or_a_reason_with_a_remedy(parse: Parser[object], text: str) -> None:
    reason = "a value (as it should be)"
    try:
        parse(text)
    except ValueError as problem:
        reason = str(problem)
    assert re.fullmatch(r".+ \(.+\)", reason, re.DOTALL)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_reads_what_it_writes(host: IPv4Address | IPv6Address, port: int) -> None:
    address = Address(str(host), port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:80", Address("localhost", 80)),
        ("a-b.example.test.:0", Address("a-b.example.test.", 0)),
        (":8080", Address("0.0.0.0", 8080)),
        ("[::]:8080", Address("::", 8080)),
        ("[fe80::1%eth0]:1", Address("fe80::1%eth0", 1)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "localhost:",
        "a:65536",
        "a:-1",
        "a:+1",
        "a:1 ",
        "a:٣",
        "::1:80",
        "[::1]",
        "[::1",
        "[a]:1",
        "[]:1",
        "a b:1",
        "-a:1",
    ],
)
def test_malformed_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="give host:port"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["", "1.5", "1e3", " 1", "1_000", "٣", "--1", "0x1", "11", "-1", "9" * 30])
def test_malformed_integers(text: str) -> None:
    with pytest.raises(ValueError, match="give a whole number from 0 to 10"):
        parsers.integer(0, 10)(text)


@given(st.integers(-(10**18), 10**18))
def test_every_integer_reads_what_it_writes(number: int) -> None:
    assert parsers.integer()(str(number)) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("16384", 16384), ("16KiB", 16384), ("1 MiB", 1 << 20), ("2GiB", 2 << 30), ("7B", 7)],
)
def test_sizes(text: str, expected: int) -> None:
    assert parsers.size()(text) == expected


@pytest.mark.parametrize("text", ["16KB", "16k", "KiB", "-1", "1.5MiB", "2TiB", "1025GiB"])
def test_malformed_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="give"):
        parsers.size()(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a", "http://a"),
        ("http://a:80/b/", "http://a:80/b"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("unix:///run/x.sock?db=1",) * 2,
    ],
)
def test_urls(text: str, expected: str) -> None:
    assert parsers.url("http", "unix")(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a:80",
        "https://a",
        "http://",
        "http://:80",
        "http://a:0",
        "http://a:99999",
        "http://a#b",
        "http://a b",
        "http://[::1",
        "unix://host/x",
        "unix:x",
    ],
)
def test_malformed_urls(text: str) -> None:
    with pytest.raises(ValueError, match="give"):
        parsers.url("http", "unix")(text)


def test_networks() -> None:
    expected = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert parsers.cidrs()("10.0.0.0/8, ::1") == expected


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "a", "10.0.0.0/8,", ","])
def test_malformed_networks(text: str) -> None:
    with pytest.raises(ValueError, match=r"\(.+\)"):
        parsers.cidrs()(text)


@given(st.binary(min_size=32, max_size=32))
def test_every_key_reads_what_it_writes(key: bytes) -> None:
    assert parsers.base64_key(32)(base64.b64encode(key).decode()) == key


@given(st.binary(max_size=64).filter(lambda key: len(key) != 32))
def test_keys_of_another_length_are_refused_and_not_quoted(key: bytes) -> None:
    text = base64.b64encode(key).decode()
    with pytest.raises(ValueError, match="give 32 bytes") as caught:
        parsers.base64_key(32)(text)
    assert len(text) < 4 or text not in str(caught.value)


@pytest.mark.parametrize("text", ["é", "A" * 43, "A" * 43 + "=\n", " " + "A" * 43 + "=", "-" * 43 + "="])
def test_malformed_keys(text: str) -> None:
    with pytest.raises(ValueError, match="give 32 bytes"):
        parsers.base64_key(32)(text)


def test_mappings_keep_their_order() -> None:
    parsed = parsers.mapping(parsers.text(), parsers.url("http"))("user.=http://a:1, lobby.=http://b:2/x=y")
    assert list(parsed.items()) == [("user.", "http://a:1"), ("lobby.", "http://b:2/x=y")]


@pytest.mark.parametrize("text", ["", "a", "a=1,", "a=1,a=2", "=1", "a="])
def test_malformed_mappings(text: str) -> None:
    with pytest.raises(ValueError, match=r"\(.+\)"):
        parsers.mapping(parsers.text(), parsers.integer())(text)


def test_limits() -> None:
    assert parsers.limit()("10/60") == Limit(10, 60.0)
    assert parsers.limit()("1/0.5") == Limit(1, 0.5)


@pytest.mark.parametrize("text", ["10", "0/1", "1/0", "-1/1", "1/1/1", "1/.5", "1/inf", "1/nan"])
def test_malformed_limits(text: str) -> None:
    with pytest.raises(ValueError, match="give"):
        parsers.limit()(text)


def test_booleans_and_words_are_exact() -> None:
    assert parsers.boolean()("true") is True
    assert parsers.boolean()("false") is False
    assert parsers.one_of("stub", "rest")("rest") == "rest"
    for parse in (parsers.boolean(), parsers.one_of("true")):
        with pytest.raises(ValueError, match="give"):
            parse("True")


@pytest.mark.parametrize("text", ["a", "7", "eu-1.lobby_2", "a" * 64])
def test_names(text: str) -> None:
    assert parsers.name()(text) == text


@pytest.mark.parametrize("text", ["", "-a", "a b", "a/b", "\u00e4", "a\n", "a" * 65])
def test_malformed_names(text: str) -> None:
    with pytest.raises(ValueError, match="give 1 to 64 of"):
        parsers.name()(text)


def test_what_a_client_refuses_is_a_wrong_value() -> None:
    given = []

    def client(url: str) -> None:
        given.append(url)
        if url.endswith("b"):
            raise ValueError("no b (give a)")

    parse = parsers.usable(parsers.url("http"), client)
    assert parse("http://a/") == "http://a"
    with pytest.raises(ValueError, match=r"no b \(give a\)"):
        parse("http://b")
    with pytest.raises(ValueError, match="scheme"):
        parse("ftp://a")
    assert given == ["http://a", "http://b"]
