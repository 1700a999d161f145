"""The mail and user services slow, failing, gone and answering nonsense: sign-in degrades as documented, and recovers."""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

from contracts.gateway.signing import DeviceKey
from contracts.mail.service import MailService
from contracts.user.service import UserService
from gateway_authsession.topology import PATIENCE_MS, Platform
from seatrial import until

ADA = "ada@example.test"
JSON = {"Content-Type": "application/json"}

USER_FAULTS: dict[str, Callable[[UserService], AbstractContextManager[None]]] = {
    "fails": lambda users: users.failing(500),
    "is overloaded": lambda users: users.failing(503, b"busy"),
    "does not know the path": lambda users: users.failing(404),
    "drops the connection": lambda users: users.dropping(),
    "hangs": lambda users: users.paused(),
    "is gone": lambda users: users.gone(),
    "answers no JSON": lambda users: users.answering(200, b"<html>", JSON),
    "answers without an id": lambda users: users.answering(200, b'{"status":"active"}', JSON),
    "answers an unknown status": lambda users: users.answering(200, b'{"user_id":"u","status":"odd"}', JSON),
    "answers an unsafe id": lambda users: users.answering(
        200, b'{"user_id":"a b/c","status":"active"}', JSON
    ),
    "answers half": lambda users: users.truncating(10),
}


def test_while_the_user_service_is_broken_no_session_opens_and_the_code_stays_good(
    boot: Callable[..., Platform],
) -> None:
    platform = boot(gateways=0, authsession_settings={"USER_TIMEOUT_MS": PATIENCE_MS})
    platform.expect_outage()
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey().public
    for name, fault in USER_FAULTS.items():
        with platform.environment.step(f"the user service {name}"), fault(platform.users):
            answer = platform.public.confirm_email_code(challenge_id, code, key)
            answer.expect_error(503, "service_unavailable")
    assert platform.streams.session_events() == []
    platform.public.confirm_email_code(challenge_id, code, key).expect(200)


def test_a_user_service_slower_than_the_gateway_waits_is_a_timeout(boot: Callable[..., Platform]) -> None:
    platform = boot(gateway_settings={"AUTHSESSION_TIMEOUT_MS": PATIENCE_MS})
    platform.expect_outage()
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey().public
    with platform.users.delayed(2.0):
        answer = platform.public.confirm_email_code(challenge_id, code, key)
        answer.expect_error(504, "upstream_timeout")
    platform.public.confirm_email_code(challenge_id, code, key).expect(200)


def test_a_user_blocked_by_the_user_service_gets_no_session(signin: Platform) -> None:
    challenge_id, code = signin.challenge(ADA)
    signin.users.block(ADA)
    answer = signin.public.confirm_email_code(challenge_id, code, DeviceKey().public)
    answer.expect_error(403, "blocked_by_policy")
    assert signin.streams.session_events() == []


MAIL_FAULTS: dict[str, Callable[[MailService], AbstractContextManager[None]]] = {
    "fails": lambda mail: mail.failing(503, times=2),
    "is too busy": lambda mail: mail.failing(429, times=2),
    "drops the connection": lambda mail: mail.dropping(times=2),
    "loses the answer": lambda mail: mail.dropping(handled=True, times=2),
    "answers half": lambda mail: mail.truncating(5, times=2),
    "answers another document": lambda mail: mail.answering(202, b"{}", JSON, times=2),
    "answers another status": lambda mail: mail.answering(200, b'{"delivery_id":"d"}', JSON, times=2),
}


def tried(platform: Platform, times: int) -> bool:
    return len(platform.mail.calls) == times


def test_a_mail_is_repeated_until_it_is_accepted_once(signin: Platform) -> None:
    signin.expect_outage()
    for number, (name, fault) in enumerate(MAIL_FAULTS.items()):
        address = f"player{number}@example.test"
        before = len(signin.mail.calls)
        with signin.environment.step(f"the mail service {name}"), fault(signin.mail):
            challenge_id = signin.send_code(address)
            until("the third try", functools.partial(tried, signin, before + 3))
        code = signin.mail.code_for(address)
        assert len({call.request.headers["idempotency-key"] for call in signin.mail.calls[before:]}) == 1
        assert len(signin.mail.mails(address)) == 1
        signin.public.confirm_email_code(challenge_id, code, DeviceKey().public).expect(200)


def test_a_mail_waits_for_a_mail_service_that_was_gone(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=0, authsession_settings={"MAIL_LONGEST_PAUSE_MS": "100"})
    platform.expect_outage()
    with platform.mail.gone():
        challenge_id = platform.send_code(ADA)
        until("the metrics to say so", lambda: mail_is_up(platform) == 0)
    code = platform.mail.code_for(ADA)
    until("the metrics to say so", lambda: mail_is_up(platform) == 1)
    platform.public.confirm_email_code(challenge_id, code, DeviceKey().public).expect(200)
    assert platform.authsession_admin.ready().status == 200  # sessions can be revoked without mail


def mail_is_up(platform: Platform) -> float:
    return platform.authsession_admin.metrics()['authsession_mail_up{dependency="mail"}']


def test_a_mail_that_is_refused_for_good_is_not_repeated(signin: Platform) -> None:
    signin.sessions_process.allow_log("mail_delivery_refused")
    with signin.mail.failing(422):
        signin.send_code(ADA)
        signin.sessions_process.log.wait_for("mail_delivery_refused")
    signin.challenge("bob@example.test")
    assert len(signin.mail.calls) == 2


def test_a_full_mail_queue_says_nothing_about_an_address(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=0, authsession_settings={"MAIL_QUEUE_LIMIT": "2"})
    with platform.mail.paused():
        platform.send_code("a@example.test")
        platform.send_code("b@example.test")
        for address in ("a@example.test", "c@example.test"):
            platform.public.send_email_code(address).expect_error(503, "service_unavailable")
    platform.mail.code_for("b@example.test")


def test_mail_that_is_on_its_way_leaves_before_authsession_stops(signin: Platform) -> None:
    with signin.mail.delayed(0.3):
        signin.send_code(ADA)
        until("the delivery to begin", lambda: signin.mail.calls)
        assert signin.sessions_process.stop().code == 0
    assert len(signin.mail.mails(ADA)) == 1
    assert "mail_deliveries_abandoned" not in signin.sessions_process.log.text()
