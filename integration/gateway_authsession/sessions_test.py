"""Internal operations: reading sessions, revoking one and all, blocking; each change published at once."""

from collections.abc import Callable

import pytest

from contracts.gateway.signing import DeviceKey
from gateway_authsession.topology import Platform

ADA, BOB = "ada@example.test", "bob@example.test"


@pytest.mark.smoke
def test_a_revoked_session_is_cut_off(platform: Platform) -> None:
    ada, bob = platform.sign_in(ADA), platform.sign_in(BOB)
    answer = platform.authsession.revoke(ada.session_id, "lost_device").expect(200).json()
    assert (answer["outcome"], answer["session"]["status"]) == ("revoked", "revoked")
    ada.expect_rejected("session_revoked")
    assert ada.subscription_rejection(ada.subscription()) == "session_revoked"
    bob.execute()


def test_a_revocation_is_published_once_with_its_first_reason(signin: Platform) -> None:
    session = signin.open_session(ADA)
    first = signin.authsession.revoke(session.session_id, "lost_device").expect(200).json()
    again = signin.authsession.revoke(session.session_id, "another_reason").expect(200).json()
    assert again == {"outcome": "already_revoked", "session": first["session"]}
    projection = signin.streams.projection(session.session_id)
    assert projection is not None
    assert (projection["status"], projection["revoke_reason"]) == ("revoked", "lost_device")
    assert int(projection["version"]) == 2
    created, revoked = signin.streams.session_events()
    assert (created["event"], revoked.fields) == (
        "session.created",
        {"event": "session.revoked", **projection},
    )


def test_revocations_at_the_same_time_are_one(signin: Platform) -> None:
    session = signin.open_session(ADA)
    answers = signin.together(*[lambda: signin.authsession.revoke(session.session_id)] * 8)
    outcomes = sorted(answer.expect(200).json()["outcome"] for answer in answers)
    assert outcomes == ["already_revoked"] * 7 + ["revoked"]
    assert len(signin.streams.session_events()) == 2


def test_revoking_all_spares_other_users(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession_settings={"SEND_INTERVAL_MS": "1"})
    adas = [platform.sign_in(ADA) for _ in range(3)]
    bob = platform.sign_in(BOB)
    user_id = platform.user_of(adas[0])
    counts = [platform.authsession.revoke_all(user_id).expect(200).json()["revoked_count"] for _ in range(2)]
    assert counts == [3, 0]
    for ada in adas:
        ada.expect_rejected("session_revoked")
    bob.execute()
    platform.sign_in(ADA).execute()


def test_sessions_come_newest_first_page_by_page(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=0, authsession_settings={"SEND_INTERVAL_MS": "1"})
    opened = [platform.open_session(ADA) for _ in range(5)]
    platform.open_session(BOB)
    user_id = opened[0].user_id
    listed = [
        session["device_session_id"] for session in platform.authsession.all_sessions(user_id, page_size=2)
    ]
    assert listed == [session.session_id for session in reversed(opened)]
    page = platform.authsession.sessions(user_id, page_size="5").expect(200).json()
    assert len(page["sessions"]) == 5
    assert "next_cursor" not in page
    for cursor in ("nonsense", "!", "\x00", "0"):
        platform.authsession.sessions(user_id, cursor=cursor).expect_error(400, "invalid_request")


def test_an_unknown_session_is_not_found_and_an_unknown_user_has_none(signin: Platform) -> None:
    assert signin.authsession.revoke_all("nobody").expect(200).json()["revoked_count"] == 0
    assert signin.authsession.sessions("nobody").expect(200).json() == {"sessions": []}
    signin.authsession.session("no-such-session").expect_error(404, "session_not_found")
    signin.authsession.revoke("no-such-session").expect_error(404, "session_not_found")


def test_blocking_a_user_ends_sessions_and_sign_in(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession_settings={"SEND_INTERVAL_MS": "1"})
    device = platform.sign_in(ADA)
    challenge_id, code = platform.challenge(ADA)
    with device.subscribe() as events:
        answers = [
            platform.authsession.block(user_id=platform.user_of(device)).expect(200).json() for _ in range(2)
        ]
        events.expect_end("session_revoked", timeout=1.0)
    assert [(each["outcome"], each["revoked_count"]) for each in answers] == [
        ("blocked", 1),
        ("already_blocked", 0),
    ]
    device.expect_rejected("session_revoked")
    for entrance in platform.entrances:
        confirm = entrance.confirm_email_code(challenge_id, code, DeviceKey().public)
        confirm.expect_error(403, "blocked_by_policy")


def test_blocking_an_address_refuses_the_code_it_already_has(signin: Platform) -> None:
    challenge_id, code = signin.challenge(ADA)
    answers = [signin.authsession.block(email="ADA@EXAMPLE.test").expect(200).json() for _ in range(2)]
    assert [each["outcome"] for each in answers] == ["blocked", "already_blocked"]
    confirm = signin.public.confirm_email_code(challenge_id, code, DeviceKey().public)
    confirm.expect_error(403, "blocked_by_policy")


def test_a_block_names_exactly_one_subject(signin: Platform) -> None:
    reason = {"reason_code": "abuse", "actor": "admin:1"}
    for subject in ({}, {"user_id": "u", "email": ADA}):
        answer = signin.authsession.call("createUserBlock", json_body={**subject, **reason}, unchecked=True)
        answer.expect_error(400, "invalid_request")


def test_sessions_outlive_a_restart_of_authsession(boot: Callable[..., Platform]) -> None:
    platform = boot(mode="cold")
    device = platform.sign_in(ADA)
    platform.sessions_process.restart()
    device.execute()
    assert platform.authsession.session(device.session_id).expect(200).json()["status"] == "active"
