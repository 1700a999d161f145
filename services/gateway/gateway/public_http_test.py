import signal
from dataclasses import replace
from ipaddress import ip_network

import msgspec
import pytest
from servicekit.parsers import Limit
from servicekit.redis import Redis
from servicekit.testing.valkey import Valkey

from gateway.client_address import TrustedProxies
from gateway.public_http import fold_email
from gateway.signing import Signer
from gateway.testing.http_server import http_answer
from gateway.testing.public import SEND, UNLIMITED, Public, code_of, running_public

TIGHT = Limit(2, 60)


def accepting(public: Public) -> Public:
    public.authsession.always(http_answer(200, b'{"challenge_id":"challenge-1"}'))
    return public


async def test_the_signing_keys(valkey: Valkey) -> None:
    async with running_public(valkey) as public:
        published = Signer(bytes(32)).published
        assert msgspec.json.decode((await public.keys()).body) == {
            "keys": [{"key_id": published.key_id, "algorithm": "ed25519", "public_key": published.public_key}]
        }


async def test_each_class_is_limited_by_address(valkey: Valkey) -> None:
    limits = replace(UNLIMITED, send_code_ip=TIGHT, confirm_code_ip=TIGHT, signing_keys_ip=TIGHT)
    async with running_public(valkey, limits=limits) as public:
        accepting(public)
        for attempt in (public.send, public.confirm, public.keys):
            assert {(await attempt()).status for _ in range(2)} & {429} == set()
            reply = await attempt()
            assert (reply.status, code_of(reply)) == (429, "rate_limited")
            assert 1 <= int(reply.headers.get("retry-after") or "") <= 30


async def test_an_address_is_limited_in_all_its_spellings(valkey: Valkey) -> None:
    async with running_public(valkey, limits=replace(UNLIMITED, send_code_email=TIGHT)) as public:
        accepting(public)
        spellings = ("ada@example.test", "ADA@example.test", " Ada@Example.Test")
        assert [(await public.send({"email": email})).status for email in spellings] == [200, 200, 429]
        assert (await public.send({"email": "bob@example.test"})).status == 200
        assert len(public.authsession.requests) == 3


async def test_a_challenge_is_limited(valkey: Valkey) -> None:
    async with running_public(valkey, limits=replace(UNLIMITED, confirm_code_challenge=TIGHT)) as public:
        public.authsession.always(http_answer(200, b'{"device_session_id":"session-1"}'))
        assert [(await public.confirm(code=code)).status for code in ("1", "2", "3")] == [200, 200, 429]
        assert (await public.confirm(challenge_id="challenge-2")).status == 200


async def test_the_address_limit_comes_before_the_body(valkey: Valkey) -> None:
    async with running_public(valkey, limits=replace(UNLIMITED, send_code_ip=TIGHT)) as public:
        assert [(await public.send(b"{")).status for _ in range(3)] == [400, 400, 429]


async def test_forwarded_for_counts_only_from_a_trusted_proxy(valkey: Valkey) -> None:
    async with running_public(valkey, limits=replace(UNLIMITED, send_code_ip=TIGHT)) as public:
        accepting(public)
        replies = [await public.send(x_forwarded_for=f"198.51.100.{number}") for number in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]
    proxies = TrustedProxies([ip_network("127.0.0.0/8")])
    async with running_public(
        valkey, limits=replace(UNLIMITED, send_code_ip=TIGHT), proxies=proxies
    ) as public:
        accepting(public)
        replies = [await public.send(x_forwarded_for=f"198.51.100.{number}") for number in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 200]
        replies = [await public.send(x_forwarded_for="203.0.113.1") for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 200, 429]


async def test_without_redis_nothing_is_answered(own_valkey: Valkey) -> None:
    async with running_public(own_valkey) as public:
        accepting(public)
        own_valkey.kill()
        for reply in (await public.send(), await public.confirm(), await public.keys()):
            assert (reply.status, code_of(reply)) == (503, "service_unavailable")
        assert public.authsession.requests == []
        own_valkey.start()
        assert (await public.send()).status == 200


async def test_a_paused_redis_is_given_up(own_valkey: Valkey) -> None:
    async with running_public(own_valkey, redis_timeout=0.2) as public:
        accepting(public)
        own_valkey.signal(signal.SIGSTOP)
        reply = await public.send()
        assert (reply.status, code_of(reply)) == (503, "service_unavailable")
        own_valkey.signal(signal.SIGCONT)


async def test_no_address_is_kept_in_redis(valkey: Valkey) -> None:
    async with running_public(valkey, limits=replace(UNLIMITED, send_code_email=TIGHT)) as public:
        accepting(public)
        await public.send()
    async with Redis(valkey.url) as redis:
        keys = b" ".join(await redis.execute("KEYS", "*"))
    assert keys
    assert SEND["email"].encode() not in keys


@pytest.mark.parametrize("email", ["ADA@example.test", "ada@EXAMPLE.test ", "\uff41da@example.test"])
def test_spellings_of_an_address_fold_together(email: str) -> None:
    assert fold_email(email) == "ada@example.test"
