"""The network broken between gateway and authsession, and between each of them and Redis."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from contracts.gateway.signing import DeviceKey
from gateway_authsession.topology import PATIENCE_MS, Platform
from seatrial import until
from seatrial.network.proxy import Proxy

ADA, BOB = "ada@example.test", "bob@example.test"
FAULTS: Final[dict[str, tuple[Callable[[Proxy], AbstractContextManager[None]], int]]] = {
    "connections are reset": (lambda proxy: proxy.reset(), 503),
    "nothing arrives": (lambda proxy: proxy.drop_traffic(), 504),
    "no answer arrives": (lambda proxy: proxy.drop_traffic("to_client"), 504),
    "answers are cut": (lambda proxy: proxy.truncated(20), 503),
    "it is far away": (lambda proxy: proxy.delayed(2.0), 504),
}


def test_faults_between_gateway_and_authsession_are_told_and_passed(boot: Callable[..., Platform]) -> None:
    platform = boot(
        proxied=["gateway to authsession"], gateway_settings={"AUTHSESSION_TIMEOUT_MS": PATIENCE_MS}
    )
    platform.expect_outage()
    upstream = platform.proxies["gateway to authsession"]
    for name, (fault, status) in FAULTS.items():
        code = "service_unavailable" if status == 503 else "upstream_timeout"
        with platform.environment.step(name), fault(upstream):
            platform.public.send_email_code(ADA).expect_error(status, code)
        until("sign-in to work again", lambda: platform.public.send_email_code(ADA).status == 200)
    device = platform.sign_in(BOB)
    with upstream.refused(), upstream.reset(), device.subscribe() as events:
        platform.public.send_email_code(ADA).expect_error(503, "service_unavailable")
        until(
            "/readyz to name it",
            lambda: platform.gateway.admin.dependencies()["authsession"]["status"] != "ok",
        )
        device.execute()  # commands and push need no authsession
        platform.streams.publish_event("still.pushed", platform.users.id_of(BOB))
        events.expect_event("still.pushed")
    until("/readyz to say so", lambda: platform.gateway.admin.ready().status == 200)


def test_a_confirm_whose_answer_was_lost_can_be_repeated(boot: Callable[..., Platform]) -> None:
    platform = boot(
        proxied=["gateway to authsession"], gateway_settings={"AUTHSESSION_TIMEOUT_MS": PATIENCE_MS}
    )
    platform.expect_outage()
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey().public
    with platform.proxies["gateway to authsession"].drop_traffic("to_client"):
        lost = platform.public.confirm_email_code(challenge_id, code, key)
        lost.expect_error(504, "upstream_timeout")
    [event] = until("the session to be there", platform.streams.session_events)
    answer = platform.public.confirm_email_code(challenge_id, code, key).expect(200)
    assert answer.json()["device_session_id"] == event["device_session_id"]
    assert len(platform.streams.session_events()) == 1


def test_a_gateway_without_its_store_lets_nobody_in(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=1, proxied=["gateway to redis"])
    platform.expect_outage()
    device = platform.sign_in(ADA)
    redis = platform.proxies["gateway to redis"]
    envelope = device.envelope()
    device.send(envelope)
    faults: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "reset": redis.reset,
        "dropped": redis.drop_traffic,
        "answers dropped": lambda: redis.drop_traffic("to_client"),
        "far away": lambda: redis.delayed(2.0),
        "answers cut": lambda: redis.truncated(3),
    }
    for name, fault in faults.items():
        with platform.environment.step(name), fault():
            device.expect_rejected("session_store_unavailable")
            assert platform.gateway.admin.dependencies()["redis"]["status"] == "unavailable"
        until("commands to be accepted", lambda: device.rejection(device.envelope()) == "accepted")
        device.expect_rejected("replayed_request", envelope)


def test_a_revocation_that_a_cut_off_gateway_missed_ends_the_stream_when_it_is_back(
    boot: Callable[..., Platform],
) -> None:
    platform = boot(proxied=["gateway to redis"])
    platform.expect_outage()
    ada, bob = platform.sign_in(ADA), platform.sign_in(BOB)
    with ada.subscribe() as events, bob.subscribe() as others:
        with platform.proxies["gateway to redis"].drop_traffic():
            ada.expect_rejected("session_store_unavailable")
            platform.authsession.revoke(ada.session_id).expect(200)
        events.expect_end("session_revoked")
        until("commands to be accepted", lambda: bob.rejection(bob.envelope()) == "accepted")
        platform.streams.publish_event("to.bob", platform.users.id_of(BOB))
        others.expect_event("to.bob")


def test_an_authsession_without_its_store_opens_and_revokes_nothing(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["authsession to redis"])
    platform.expect_outage()
    device = platform.sign_in(ADA)
    challenge_id, code = platform.challenge(BOB)
    key = DeviceKey().public
    redis = platform.proxies["authsession to redis"]
    for fault in (redis.reset, redis.drop_traffic):
        with fault():
            confirm = platform.public.confirm_email_code(challenge_id, code, key)
            confirm.expect_error(503, "service_unavailable")
            platform.authsession.revoke(device.session_id).expect_error(503, "service_unavailable")
            assert platform.authsession_admin.dependencies()["redis"]["status"] == "unavailable"
        until("authsession to be ready", lambda: platform.authsession_admin.ready().status == 200)
    device.execute()
    platform.public.confirm_email_code(challenge_id, code, key).expect(200)


def test_a_slow_network_is_no_error(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["gateway to authsession", "gateway to redis", "authsession to redis"])
    with ExitStack() as slow:
        for proxy in platform.proxies.values():
            slow.enter_context(proxy.delayed(0.02))
        device = platform.sign_in(ADA)
        with device.subscribe() as events:
            device.execute()
            platform.authsession.revoke(device.session_id).expect(200)
            events.expect_end("session_revoked", timeout=1.0)
