"""Sign-in: a code by mail, exchanged for a session that acts at the edge."""

import itertools
from collections.abc import Callable

import pytest

from contracts.gateway.device import Device
from contracts.gateway.signing import DeviceKey
from gateway_authsession.topology import Platform
from seatrial import until

ADA, BOB = "ada@example.test", "bob@example.test"


@pytest.mark.smoke
def test_a_player_signs_in_and_acts(platform: Platform) -> None:
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey()
    answer = platform.gateway.http.confirm_email_code(challenge_id, code, key.public).expect(200)
    device = Device(platform.gateway.edge, answer.json()["device_session_id"], key)
    response = device.execute("user.profile.get", b'{"of":"me"}')
    [command] = platform.commands.executed
    assert (response.status_code, response.payload_bytes) == (200, b'{"of":"me"}')
    assert (command.user_id, command.device_session_id) == (platform.users.id_of(ADA), device.session_id)
    assert (command.message_type, command.request_id) == ("user.profile.get", response.request_id)


@pytest.mark.smoke
def test_a_new_session_is_published_with_its_key(signin: Platform) -> None:
    session = signin.open_session()
    projection = signin.streams.projection(session.session_id)
    [event] = signin.streams.session_events()
    assert projection is not None
    assert projection["client_public_key"] == session.key.public
    assert event.fields == {"event": "session.created", **projection}
    assert signin.authsession.session(session.session_id).expect(200).json()["user_id"] == session.user_id


def test_the_mail_speaks_the_language_asked_for(signin: Platform) -> None:
    spoken = {
        "de": "de",
        "en": "en",
        "de-AT,de;q=0.8,en;q=0.5": "de",
        "fr,en;q=0.4,de;q=0.6": "de",
        "fr": "en",
        "de;q=0, en;q=0.1": "en",
        "*": "en",
        "nonsense;;;q=x": "en",
        None: "en",
    }
    found = {}
    for number, asked in enumerate(spoken):
        signin.send_code(f"player{number}@example.test", asked)
        found[asked] = signin.mail.mail_for(f"player{number}@example.test").locale
    assert found == spoken


def test_the_gateway_passes_both_languages_on(platform: Platform) -> None:
    for address, language in ((ADA, "de-DE"), (BOB, "en-GB")):
        challenge_id, code = platform.challenge(address, language)
        assert platform.mail.mail_for(address).locale == language[:2]
        platform.public.confirm_email_code(challenge_id, code, DeviceKey().public, "Asia/Tokyo").expect(200)
        assert platform.users.seen(address) == (language[:2], "Asia/Tokyo")


def test_one_address_in_two_spellings_is_one_mailbox_and_one_user(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=0, authsession_settings={"SEND_INTERVAL_MS": "1"})
    first = platform.open_session(ADA)
    challenge_id = platform.send_code("ADA@Example.TEST")
    key = DeviceKey()
    answer = platform.public.confirm_email_code(challenge_id, platform.mail.code_for(ADA, 2), key.public)
    session = platform.authsession.session(answer.expect(200).json()["device_session_id"]).json()
    assert session["user_id"] == first.user_id


def test_a_wrong_code_is_refused_and_the_right_one_still_works(signin: Platform) -> None:
    challenge_id, code = signin.challenge(ADA)
    key = DeviceKey().public
    for attempt in (wrong(code), "12345", "x", f" {code}"):
        signin.public.confirm_email_code(challenge_id, attempt, key).expect_error(400, "invalid_code")
    signin.public.confirm_email_code(challenge_id, code, key).expect(200)


def test_tries_are_exhausted_for_the_right_code_too(platform: Platform) -> None:
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey().public
    for _ in range(5):
        platform.public.confirm_email_code(challenge_id, wrong(code), key).expect_error(400, "invalid_code")
    for attempt in (wrong(code), code):
        for entrance in platform.entrances:
            answer = entrance.confirm_email_code(challenge_id, attempt, key)
            answer.expect_error(429, "too_many_attempts")
    assert platform.streams.session_events() == []


def test_a_code_expires(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession_settings={"CODE_TTL_MS": "300", "MAX_TRIES": "100"})
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey().public

    def expired() -> bool:
        return (
            platform.public.confirm_email_code(challenge_id, wrong(code), key).error_code
            == "challenge_expired"
        )

    until("the code to expire", expired)
    for entrance in platform.entrances:
        entrance.confirm_email_code(challenge_id, code, key).expect_error(410, "challenge_expired")


def test_a_repeated_confirm_returns_the_same_session_to_its_key_alone(platform: Platform) -> None:
    session = platform.open_session(ADA)
    for entrance in platform.entrances:
        again = entrance.confirm_email_code(session.challenge_id, session.code, session.key.public)
        assert again.expect(200).json() == {"device_session_id": session.session_id}
        other = entrance.confirm_email_code(session.challenge_id, session.code, DeviceKey().public)
        other.expect_error(404, "challenge_not_found")
    assert len(platform.streams.session_events()) == 1


def test_confirms_at_the_same_time_open_one_session(signin: Platform) -> None:
    challenge_id, code = signin.challenge(ADA)
    key = DeviceKey().public
    answers = signin.together(*[lambda: signin.public.confirm_email_code(challenge_id, code, key)] * 8)
    assert len({answer.expect(200).json()["device_session_id"] for answer in answers}) == 1
    assert len(signin.streams.session_events()) == 1


def test_wrong_codes_at_the_same_time_take_five_tries_together(signin: Platform) -> None:
    challenge_id, code = signin.challenge(ADA)
    key = DeviceKey().public
    answers = signin.together(
        *[lambda: signin.public.confirm_email_code(challenge_id, wrong(code), key)] * 12
    )
    codes = sorted(answer.error_code or "" for answer in answers)
    assert codes == ["invalid_code"] * 5 + ["too_many_attempts"] * 7


def test_a_code_opens_only_its_own_challenge(signin: Platform) -> None:
    challenge_id, code = signin.challenge(ADA)
    _, other = signin.challenge(BOB)
    if other == code:
        other = wrong(code)
    key = DeviceKey().public
    signin.public.confirm_email_code(challenge_id, other, key).expect_error(400, "invalid_code")
    signin.public.confirm_email_code("no-such-challenge", code, key).expect_error(404, "challenge_not_found")


def test_a_wrong_key_or_time_zone_costs_no_try(platform: Platform) -> None:
    challenge_id, right = platform.challenge(ADA)
    good = DeviceKey().public
    for key, time_zone, code in (
        ("AAAA", "Europe/Berlin", "invalid_client_public_key"),
        ("not base64 at all!", "Europe/Berlin", "invalid_client_public_key"),
        ("A" * 43 + "B", "Europe/Berlin", "invalid_client_public_key"),
        (good, "Mars/Olympus", "invalid_time_zone"),
        (good, "../../etc/passwd", "invalid_time_zone"),
        ("AAAA", "Mars/Olympus", "invalid_client_public_key"),
    ):
        for entrance, tried in itertools.product(platform.entrances, (right, wrong(right))):
            entrance.confirm_email_code(challenge_id, tried, key, time_zone).expect_error(400, code)
    platform.public.confirm_email_code(challenge_id, right, good).expect(200)


def test_a_user_has_as_many_sessions_as_allowed(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession_settings={"MAX_SESSIONS_PER_USER": "2", "SEND_INTERVAL_MS": "1"})
    first = platform.open_session(ADA)
    platform.open_session(ADA)
    challenge_id, code = platform.challenge(ADA)
    key = DeviceKey().public
    for entrance in platform.entrances:
        entrance.confirm_email_code(challenge_id, code, key).expect_error(409, "session_limit_exceeded")
    platform.authsession.revoke(first.session_id).expect(200)
    platform.public.confirm_email_code(challenge_id, code, key).expect(200)


def wrong(code: str) -> str:
    """Six other digits."""
    return f"{(int(code) + 1) % 1_000_000:06}"
