"""Limits: what is counted for whom, and when it is worth to come back."""

from collections.abc import Callable

import pytest

from contracts.gateway.device import Device
from contracts.gateway.signing import DeviceKey
from contracts.http import Answer
from gateway_authsession.topology import Platform

ADA, BOB = "ada@example.test", "bob@example.test"


def limited(answer: Answer, period_s: int) -> None:
    """`answer` is 429 with a plausible Retry-After."""
    answer.expect_error(429, "rate_limited")
    assert 1 <= int(answer.header("retry-after") or 0) <= period_s


def test_sending_is_limited_by_address_in_any_spelling_and_by_client(boot: Callable[..., Platform]) -> None:
    platform = boot(gateway_settings={"LIMIT_SEND_CODE_EMAIL": "2/3600", "LIMIT_SEND_CODE_IP": "5/3600"})
    platform.send_code(ADA)
    platform.send_code("ADA@example.TEST")
    limited(platform.public.send_email_code("Ada@Example.test"), 1800)
    for address in (BOB, "cy@example.test"):
        platform.send_code(address)
    limited(platform.public.send_email_code("di@example.test"), 720)
    platform.mail.code_for("cy@example.test")
    assert len(platform.mail.sent) == 3


def test_confirming_is_limited_by_challenge_and_by_client(boot: Callable[..., Platform]) -> None:
    platform = boot(
        gateway_settings={"LIMIT_CONFIRM_CODE_CHALLENGE": "2/3600", "LIMIT_CONFIRM_CODE_IP": "4/3600"}
    )
    key = DeviceKey().public
    for _ in range(2):
        platform.public.confirm_email_code("one", "000000", key).expect(404)
    limited(platform.public.confirm_email_code("one", "000000", key), 1800)
    platform.public.confirm_email_code("two", "000000", key).expect(404)
    limited(platform.public.confirm_email_code("three", "000000", key), 900)


def test_keys_are_limited_by_client_address_and_recover(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession=False, gateway_settings={"LIMIT_SIGNING_KEYS_IP": "2/1"})
    http = platform.gateway.http
    answers = platform.together(*[lambda: http.call("listSigningKeys")] * 12)
    refused = [answer for answer in answers if answer.status == 429]
    assert refused
    for answer in refused:
        limited(answer, 1)
    platform.environment.until(
        "the limit to let one through", lambda: http.call("listSigningKeys").status == 200
    )


def test_two_gateways_share_one_budget_and_believe_no_stranger_s_header(
    boot: Callable[..., Platform],
) -> None:
    platform = boot(gateways=2, authsession=False, gateway_settings={"LIMIT_SIGNING_KEYS_IP": "4/3600"})
    statuses = [
        node.http.call("listSigningKeys", headers={"X-Forwarded-For": f"192.0.2.{number}"}).status
        for number, node in enumerate(platform.gateways * 3)
    ]
    assert statuses == [200, 200, 200, 200, 429, 429]


def test_behind_a_trusted_proxy_each_client_has_a_budget(boot: Callable[..., Platform]) -> None:
    settings = {"LIMIT_SIGNING_KEYS_IP": "1/3600", "TRUSTED_PROXIES": "127.0.0.0/8"}
    platform = boot(authsession=False, gateway_settings=settings)
    chains = {
        "192.0.2.1": 200,
        "192.0.2.2": 200,
        "198.51.100.9, 192.0.2.1": 429,  # what the client claims itself is not believed
        "192.0.2.1, 127.0.0.1": 429,  # the last address that is no proxy counts
        "2001:db8::1": 200,
        "2001:db8::2": 429,  # one network of a customer
        "2001:db8:1::1": 200,
    }
    http = platform.gateway.http
    found = {c: http.call("listSigningKeys", headers={"X-Forwarded-For": c}).status for c in chains}
    assert found == chains


@pytest.mark.parametrize("name", ["SESSION", "USER", "IP", "MESSAGE_TYPE"])
def test_commands_are_limited(boot: Callable[..., Platform], name: str) -> None:
    settings = {"SEND_INTERVAL_MS": "1"}
    platform = boot(authsession_settings=settings, gateway_settings={f"LIMIT_COMMAND_{name}": "3/3600"})
    phone, tablet, other = platform.sign_in(ADA), platform.sign_in(ADA), platform.sign_in(BOB)
    for _ in range(3):
        phone.execute("user.first")
    refused = phone.expect_rejected("rate_limited", phone.envelope("user.first"))
    assert refused.retry_after is not None
    assert 1 <= refused.retry_after <= 1200
    shared = {
        "same session": refusal(phone, "user.second"),
        "same user": refusal(tablet, "user.second"),
        "same address": refusal(other, "user.second"),
        "same type": refusal(other, "user.first"),
    }
    expected = {
        "SESSION": ["same session"],
        "USER": ["same session", "same user"],
        "IP": ["same session", "same user", "same address", "same type"],
        "MESSAGE_TYPE": ["same type"],
    }
    assert [who for who, told in shared.items() if told == "rate_limited"] == expected[name]


def test_subscriptions_count_as_commands(boot: Callable[..., Platform]) -> None:
    platform = boot(gateway_settings={"LIMIT_COMMAND_SESSION": "2/3600"})
    device = platform.sign_in()
    device.execute()
    with device.subscribe():
        assert device.subscription_rejection(device.subscription()) == "rate_limited"


def test_a_limited_request_has_used_its_id_and_a_budget_comes_back(boot: Callable[..., Platform]) -> None:
    platform = boot(gateway_settings={"LIMIT_COMMAND_SESSION": "1/1"})
    device = platform.sign_in()
    refused = device.envelope()
    told = platform.together(*[lambda: device.rejection(device.envelope())] * 6)
    assert set(told) <= {"accepted", "rate_limited"}
    until_limited(device, platform)
    device.rejection(refused)
    device.expect_rejected("replayed_request", refused)
    platform.environment.until(
        "the budget to come back", lambda: device.rejection(device.envelope()) == "accepted"
    )


def until_limited(device: Device, platform: Platform) -> None:
    platform.environment.until(
        "the budget to be used up", lambda: refusal(device, "user.echo") == "rate_limited"
    )


def refusal(device: Device, message_type: str) -> str:
    return device.rejection(device.envelope(message_type))
