import asyncio
from collections import Counter

import pytest
from servicekit.redis import Redis

from authsession.challenges import Challenges, Confirmed, Opened, Right
from authsession.conftest import World, key
from authsession.sessions import Created

ADDRESS = "ada@example.test"
KEY, OTHER_KEY = key("one"), key("other")


def opened(world: World, challenges: Challenges, address: str = ADDRESS) -> tuple[str, str]:
    challenge = world.run(challenges.open(address, "de"))
    assert challenge.code is not None
    return challenge.challenge_id, challenge.code


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def confirm(world: World, challenge_id: str, code: str, public_key: str = KEY) -> Created | str:
    right = world.run(world.challenges().attempt(challenge_id, code, public_key))
    assert isinstance(right, Right)
    return world.run(
        world.sessions().create(challenge_id, right, user_id="u1", public_key=public_key, time_zone="UTC")
    )


def test_the_right_code_gives_back_what_the_challenge_was_made_with(world: World) -> None:
    challenges = world.challenges()
    challenge_id, code = opened(world, challenges)
    right = world.run(challenges.attempt(challenge_id, code, KEY))
    assert right == Right(ADDRESS, world.sealer.hash_address(ADDRESS), "de")


def test_redis_holds_neither_address_nor_code(world: World) -> None:
    _, code = opened(world, world.challenges())
    keys = world.command("KEYS", "*")
    assert len(keys) == 2
    for name in keys:
        whole = name + world.command("DUMP", name)
        assert b"ada" not in whole
        assert code.encode() not in whole
    challenge = world.hash(next(name.decode() for name in keys if b":challenge:" in name))
    assert code not in challenge.values()


def test_one_mail_an_interval_and_the_same_challenge_meanwhile(world: World) -> None:
    challenges = world.challenges()
    challenge_id, _ = opened(world, challenges)
    assert world.run(challenges.open(ADDRESS, "de")) == Opened(challenge_id, None)
    assert opened(world, challenges, "bob@example.test")[0] != challenge_id


def test_after_the_interval_there_is_a_new_mail_and_the_old_code_stays_good(world: World) -> None:
    challenges = world.challenges()
    first_id, first_code = opened(world, challenges)
    world.command("DEL", f"authsession:throttle:{world.sealer.hash_address(ADDRESS)}")
    second_id, second_code = opened(world, challenges)
    assert first_id != second_id
    for challenge_id, code in [(first_id, first_code), (second_id, second_code)]:
        assert isinstance(world.run(challenges.attempt(challenge_id, code, KEY)), Right)


def test_the_interval_is_the_one_configured(world: World) -> None:
    opened(world, world.challenges(send_interval_ms=7_000))
    left = world.command("PTTL", f"authsession:throttle:{world.sealer.hash_address(ADDRESS)}")
    assert 5_000 < left <= 7_000


def test_of_many_simultaneous_sends_one_mails_and_all_answer_alike(world: World) -> None:
    others = [Redis(world.url) for _ in range(3)]
    instances = [world.challenges(redis) for redis in others]
    answers = world.together(*(instances[n % 3].open(ADDRESS, "en") for n in range(30)))
    assert len({answer.challenge_id for answer in answers}) == 1
    assert sum(answer.code is not None for answer in answers) == 1
    world.together(*(redis.close() for redis in others))


def test_a_blocked_address_gets_a_challenge_and_no_mail_and_is_throttled_like_any(world: World) -> None:
    world.run(world.blocks().block_address(ADDRESS, "abuse", "admin:1"))
    challenges = world.challenges()
    first = world.run(challenges.open(ADDRESS, "en"))
    assert first.code is None
    assert world.hash(f"authsession:challenge:{first.challenge_id}")["tries"] == "0"
    assert world.run(challenges.open(ADDRESS, "en")) == first
    assert world.run(challenges.attempt(first.challenge_id, "123456", KEY)) == "invalid_code"


def test_an_unknown_challenge(world: World) -> None:
    for challenge_id in ("c_unknown", "", "*", "c\n", "ü"):
        assert world.run(world.challenges().attempt(challenge_id, "123456", KEY)) == "challenge_not_found"


def test_five_wrong_codes_and_then_not_even_the_right_one(world: World) -> None:
    challenges = world.challenges()
    challenge_id, code = opened(world, challenges)
    verdicts = [world.run(challenges.attempt(challenge_id, wrong(code), KEY)) for _ in range(6)]
    assert verdicts == ["invalid_code"] * 5 + ["too_many_attempts"]
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "too_many_attempts"
    assert world.hash(f"authsession:challenge:{challenge_id}")["tries"] == "5"


def test_the_right_code_takes_no_try(world: World) -> None:
    challenges = world.challenges(max_tries=1)
    challenge_id, code = opened(world, challenges)
    for _ in range(3):
        assert isinstance(world.run(challenges.attempt(challenge_id, code, KEY)), Right)


@pytest.mark.parametrize(
    "code",
    ["", "1", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "12345\n", "-12345"],
)
def test_a_code_of_another_shape_is_a_wrong_one(world: World, code: str) -> None:
    challenges = world.challenges()
    challenge_id, _ = opened(world, challenges)
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "invalid_code"
    assert world.hash(f"authsession:challenge:{challenge_id}")["tries"] == "1"


def test_no_race_lets_a_sixth_try_through(world: World) -> None:
    challenge_id, code = opened(world, world.challenges())
    others = [Redis(world.url) for _ in range(4)]
    instances = [world.challenges(redis) for redis in others]
    verdicts = world.together(*(instances[n % 4].attempt(challenge_id, wrong(code), KEY) for n in range(60)))
    assert Counter(map(str, verdicts)) == {"invalid_code": 5, "too_many_attempts": 55}
    world.together(*(redis.close() for redis in others))


def test_a_right_code_among_many_tries_counts_only_within_the_first_five(world: World) -> None:
    challenge_id, code = opened(world, world.challenges())
    instance = world.challenges()

    async def race() -> list[object]:
        guesses = [instance.attempt(challenge_id, wrong(code), KEY) for _ in range(20)]
        return list(await asyncio.gather(*guesses, instance.attempt(challenge_id, code, KEY)))

    *guesses, right = world.run(race())
    assert guesses.count("invalid_code") == 5
    assert right == "too_many_attempts"


def test_an_expired_challenge_is_called_expired_while_it_is_remembered(world: World) -> None:
    challenges = world.challenges(code_ttl_ms=1, retention_ms=50_000, send_interval_ms=60_000)
    challenge_id, code = opened(world, challenges)
    name = f"authsession:challenge:{challenge_id}"
    world.command("HSET", name, "expires_at_ms", 1)
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "challenge_expired"
    assert world.run(challenges.attempt(challenge_id, wrong(code), KEY)) == "challenge_expired"
    # Longer than the retention: a throttled address must not get the id of a challenge that is forgotten.
    assert 59_000 < world.command("PTTL", name) <= 60_001


def test_expiry_hides_used_up_tries(world: World) -> None:
    challenges = world.challenges()
    challenge_id, code = opened(world, challenges)
    name = f"authsession:challenge:{challenge_id}"
    world.command("HSET", name, "tries", 5)
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "too_many_attempts"
    world.command("HSET", name, "expires_at_ms", 1)
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "challenge_expired"


def test_a_code_lives_as_long_as_configured(world: World) -> None:
    challenge_id, _ = opened(world, world.challenges(code_ttl_ms=600_000))
    challenge = world.hash(f"authsession:challenge:{challenge_id}")
    assert int(challenge["expires_at_ms"]) - int(challenge["created_at_ms"]) == 600_000


def test_a_confirm_is_repeated_with_the_same_key_and_unknown_with_another(world: World) -> None:
    challenges = world.challenges()
    challenge_id, code = opened(world, challenges)
    created = confirm(world, challenge_id, code)
    assert isinstance(created, Created)
    again = world.run(challenges.attempt(challenge_id, code, KEY))
    assert again == Confirmed(created.device_session_id)
    assert world.run(challenges.attempt(challenge_id, code, OTHER_KEY)) == "challenge_not_found"
    assert world.run(challenges.attempt(challenge_id, wrong(code), OTHER_KEY)) == "challenge_not_found"
    assert world.run(challenges.attempt(challenge_id, wrong(code), KEY)) == "invalid_code"
    world.command("HSET", f"authsession:challenge:{challenge_id}", "expires_at_ms", 1)
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "challenge_expired"
    assert world.run(challenges.attempt(challenge_id, code, OTHER_KEY)) == "challenge_not_found"


def test_a_block_of_the_address_is_told_to_who_knows_the_code_only(world: World) -> None:
    challenges = world.challenges()
    challenge_id, code = opened(world, challenges)
    world.run(world.blocks().block_address(ADDRESS, "abuse", "admin:1"))
    assert world.run(challenges.attempt(challenge_id, wrong(code), KEY)) == "invalid_code"
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "blocked_by_policy"


def test_a_repeated_confirm_of_a_blocked_user_is_refused(world: World) -> None:
    challenges = world.challenges()
    challenge_id, code = opened(world, challenges)
    confirm(world, challenge_id, code)
    world.run(world.blocks().block_user("u1", "abuse", "admin:1"))
    assert world.run(challenges.attempt(challenge_id, code, KEY)) == "blocked_by_policy"


def test_a_code_stays_good_for_no_instance_with_another_pepper(world: World) -> None:
    from authsession.challenges import Rules
    from authsession.sealing import Sealer

    challenge_id, code = opened(world, world.challenges())
    rules = Rules(code_ttl_ms=60_000, send_interval_ms=60_000, max_tries=5, retention_ms=60_000)
    stranger = Challenges(world.redis, Sealer(bytes(32)), rules)
    assert world.run(stranger.attempt(challenge_id, code, KEY)) == "invalid_code"
