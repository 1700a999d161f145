"""Redis stopped, killed, paused, full and emptied under traffic: it fails closed, recovers by itself, accepts nothing twice."""

from collections.abc import Callable
from typing import Final

import pytest

from contracts.admin import Admin
from contracts.gateway.device import Device
from contracts.gateway.signing import DeviceKey
from gateway_authsession.topology import Platform
from gateway_authsession.traffic import Traffic
from seatrial import Environment, until
from seatrial.stores.valkey import Valkey

ADA, BOB = "ada@example.test", "bob@example.test"
# For a paused Redis alone, which costs every call this long. A busy machine can be as slow: under it nothing has to succeed.
IMPATIENT: Final = {"REDIS_TIMEOUT_MS": "200"}
GONE: Final = "session_store_unavailable"


@pytest.fixture
def store(environment: Environment) -> Valkey:
    """A Redis of this test alone, which keeps its data."""
    return environment.own_valkey(persistent=True)


@pytest.fixture
def platform(boot: Callable[..., Platform], store: Valkey) -> Platform:
    platform = boot(store=store)
    platform.expect_outage()
    return platform


def expect_closed(platform: Platform, device: Device) -> None:
    """Nothing is let through by either service, and each says why."""
    device.expect_rejected(GONE)
    assert device.subscription_rejection(device.subscription()) == GONE
    key = DeviceKey().public
    for client in (platform.gateway.http, platform.authsession):
        client.send_email_code(BOB).expect_error(503, "service_unavailable")
        client.confirm_email_code("challenge", "000000", key).expect_error(503, "service_unavailable")
    platform.gateway.http.call("listSigningKeys").expect_error(503, "service_unavailable")
    internal = platform.authsession
    for answer in (
        internal.session(device.session_id),
        internal.sessions("user"),
        internal.revoke(device.session_id),
        internal.revoke_all("user"),
        internal.block(user_id="user"),
    ):
        answer.expect_error(503, "service_unavailable")
    for admin in (platform.gateway.admin, platform.authsession_admin):
        assert admin.dependencies()["redis"]["status"] == "unavailable"
        admin.health().expect(200)


def expect_recovered(platform: Platform, device: Device) -> None:
    """Everything works again, without a restart."""
    until("commands to be accepted", lambda: device.rejection(device.envelope()) == "accepted")
    until("sign-in to work", lambda: platform.public.send_email_code("late@example.test").status == 200)
    for admin in (platform.gateway.admin, platform.authsession_admin):
        until_ready(admin)
    until("sessions to be read", lambda: platform.authsession.session(device.session_id).status == 200)


def until_ready(admin: Admin) -> None:
    until("/readyz to say so", lambda: admin.ready().status == 200)


def test_a_stopped_store_closes_everything_until_it_is_back(platform: Platform, store: Valkey) -> None:
    device = platform.sign_in(ADA)
    envelope = device.envelope()
    device.send(envelope)
    store.stop()
    expect_closed(platform, device)
    store.restart()
    expect_recovered(platform, device)
    device.expect_rejected("replayed_request", envelope)


@pytest.mark.parametrize("how", ["killed", "paused", "stopped"])
def test_nothing_is_accepted_twice_across_an_outage(platform: Platform, store: Valkey, how: str) -> None:
    devices = [platform.sign_in(ADA), platform.sign_in(BOB)]
    with Traffic(*devices * 3) as traffic:
        traffic.expect("accepted")
        {"killed": store.kill, "paused": store.pause, "stopped": store.stop}[how]()
        traffic.expect(GONE, times=12 if how == "paused" else 100)
        {"killed": store.restart, "paused": store.resume, "stopped": store.restart}[how]()
        traffic.expect("accepted", times=10)
    assert set(traffic.told) == {"accepted", GONE}
    for device, envelope in traffic.accepted:
        device.expect_rejected("replayed_request", envelope)
    # An answer of Redis may have been lost: then the id is used up, but the command must not have been executed.
    for device, envelope in traffic.refused:
        assert device.rejection(envelope) in ("accepted", "replayed_request")
    executed = {command.request_id for command in platform.commands.executed}
    assert {envelope.request_id for _, envelope in traffic.accepted} <= executed


def test_a_paused_store_costs_its_timeout_and_no_more(boot: Callable[..., Platform], store: Valkey) -> None:
    patient = boot(store=store)
    signed_in = patient.sign_in(ADA)
    platform = boot(store=store, gateway_settings=IMPATIENT, authsession_settings=IMPATIENT)
    for each in (patient, platform):
        each.expect_outage()
    device = signed_in.at(platform.gateway.edge)
    store.pause()
    told = platform.together(*[lambda: device.rejection(device.envelope())] * 20)
    assert told == [GONE] * 20
    expect_closed(platform, device)
    store.resume()
    expect_recovered(platform, device)


def test_a_store_that_reads_but_no_longer_writes_fails_closed(platform: Platform, store: Valkey) -> None:
    device = platform.sign_in(ADA)
    store.client().config_set("maxmemory", "1")
    device.expect_rejected(GONE)
    assert device.subscription_rejection(device.subscription()) == GONE
    for client in (platform.gateway.http, platform.authsession):
        client.send_email_code(BOB).expect_error(503, "service_unavailable")
    platform.authsession.revoke(device.session_id).expect_error(503, "service_unavailable")
    assert platform.commands.executed == ()
    store.client().config_set("maxmemory", "0")
    device.execute()


def test_streams_live_through_an_outage_and_deliver_what_comes_after(
    platform: Platform, store: Valkey
) -> None:
    device = platform.sign_in(ADA)
    user = platform.users.id_of(ADA)
    with device.subscribe() as events:
        store.kill()
        device.expect_rejected(GONE)
        store.restart()
        until("commands to be accepted", lambda: device.rejection(device.envelope()) == "accepted")
        platform.streams.publish_event("after.outage", user)
        events.expect_event("after.outage")


def test_a_store_that_lost_its_data_knows_nobody_and_takes_new_ones(
    platform: Platform, store: Valkey
) -> None:
    device = platform.sign_in(ADA)
    store.client().flushall()
    device.expect_rejected("unknown_session")
    newcomer = platform.sign_in(BOB)
    until("the groups to be there again", lambda: platform.streams.groups("gateway:client-events"))
    with newcomer.subscribe() as events:
        platform.streams.publish_event("to.newcomer", platform.users.id_of(BOB))
        events.expect_event("to.newcomer")


def test_a_store_that_is_emptied_ends_the_streams_of_sessions_it_does_not_know(
    platform: Platform, store: Valkey
) -> None:
    device = platform.sign_in(ADA)
    with device.subscribe() as events:
        store.client().flushall()
        events.expect_end("session_revoked", timeout=5.0)


def test_a_store_that_comes_back_empty_ends_the_streams_of_sessions_it_does_not_know(
    boot: Callable[..., Platform], environment: Environment
) -> None:
    forgetful = environment.own_valkey()
    platform = boot(store=forgetful)
    platform.expect_outage()
    device = platform.sign_in(ADA)
    with device.subscribe() as events:
        forgetful.kill()
        device.expect_rejected(GONE)
        forgetful.restart()
        events.expect_end("session_revoked")
        device.expect_rejected("unknown_session")


def test_services_boot_before_their_store_and_begin_when_it_comes(
    boot: Callable[..., Platform], store: Valkey
) -> None:
    store.stop()
    platform = boot(store=store)
    platform.expect_outage()
    assert platform.gateway.admin.dependencies()["redis"]["status"] == "unavailable"
    platform.public.send_email_code(ADA).expect_error(503, "service_unavailable")
    store.restart()
    until("the gateway to be ready", lambda: platform.gateway.admin.ready().status == 200)
    until("authsession to be ready", lambda: platform.authsession_admin.ready().status == 200)
    device = platform.sign_in(ADA)
    until("a stream to open", lambda: device.subscription_rejection(device.subscription()) == "accepted")
