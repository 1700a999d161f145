"""Nobody learns from sign-in who has an account, and no secret reaches a log."""

from collections.abc import Callable

from contracts.gateway.signing import DeviceKey
from contracts.http import Answer
from gateway_authsession.topology import Platform

KNOWN, UNKNOWN, BLOCKED = "known@example.test", "unknown@example.test", "blocked@example.test"


def shape(answer: Answer) -> object:
    """Everything of an answer that does not name this one challenge."""
    document = answer.json()
    headers = [
        (name.lower(), "" if name.lower() in ("date", "x-request-id") else value)
        for name, value in answer.headers
    ]
    return answer.status, sorted(headers), {name: len(value) for name, value in document.items()}


def test_sending_looks_the_same_for_everybody(platform: Platform) -> None:
    platform.open_session(KNOWN)
    platform.authsession.block(email=BLOCKED).expect(200)
    answers = [
        platform.gateway.http.send_email_code(address)
        for address in (KNOWN, UNKNOWN, BLOCKED, UNKNOWN, BLOCKED)  # the last two are throttled
    ]
    assert len({str(shape(answer.expect(200))) for answer in answers}) == 1
    platform.mail.code_for(UNKNOWN)
    assert platform.mail.mails(BLOCKED) == []


def test_a_slow_mail_service_delays_no_answer(signin: Platform) -> None:
    with signin.mail.paused():
        signin.send_code(KNOWN)
        signin.send_code(UNKNOWN)
        assert signin.mail.sent == ()
    signin.mail.code_for(KNOWN)
    signin.mail.code_for(UNKNOWN)


def test_a_throttled_address_gets_its_challenge_again_and_no_mail(signin: Platform) -> None:
    challenge_id, code = signin.challenge(KNOWN)
    assert [signin.send_code(KNOWN, "de") for _ in range(3)] == [challenge_id] * 3
    signin.challenge(UNKNOWN)
    assert [mail.code for mail in signin.mail.mails(KNOWN)] == [code]
    signin.public.confirm_email_code(challenge_id, code, DeviceKey().public).expect(200)


def test_after_the_interval_another_mail_leaves(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=0, authsession_settings={"SEND_INTERVAL_MS": "1"})
    first, _ = platform.challenge(KNOWN)
    second, code = platform.challenge(KNOWN)
    assert first != second
    platform.public.confirm_email_code(second, code, DeviceKey().public).expect(200)


def test_a_blocked_address_cannot_tell_its_challenge_from_another(signin: Platform) -> None:
    signin.authsession.block(email=BLOCKED).expect(200)
    key = DeviceKey().public
    codes = []
    for address in (BLOCKED, UNKNOWN):
        challenge_id = signin.send_code(address)
        answers = [signin.public.confirm_email_code(challenge_id, "000000", key) for _ in range(6)]
        codes.append([(answer.status, answer.error_code) for answer in answers])
    assert codes[0] == codes[1]
    assert codes[0][-1] == (429, "too_many_attempts")


def test_no_secret_reaches_a_log(platform: Platform) -> None:
    device = platform.sign_in(KNOWN)
    with device.subscribe() as events:
        platform.streams.publish_event("lobby.game.started", platform.users.id_of(KNOWN), b"push-secret")
        events.expect_event("lobby.game.started")
    device.execute(payload=b"payload-secret")
    device.expect_rejected("invalid_signature", device.envelope(signature=bytes(64)))
    platform.gateway.http.call("sendEmailCode", body=b'{"email":"broken@example.test', unchecked=True)
    [mail] = platform.mail.sent
    for process in platform.environment.processes:
        text = process.log.text()
        secrets = (
            KNOWN,
            mail.code,
            device.key.public,
            "push-secret",
            "payload-secret",
            "broken@example.test",
        )
        assert [secret for secret in secrets if secret in text] == []
