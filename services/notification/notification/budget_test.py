import pytest

from notification.budget import Budget
from notification.routes import Claimed, Delivered, Failed, Postponed, Suppressed

BUDGET = Budget(max_attempts=5, first_ms=100, most_ms=1000)


def route(attempts: int = 1) -> Claimed:
    return Claimed(
        id=1, claim=1, attempts=attempts, delivery_id="n_1", recipient="u-1", channel="push", audience_kind="user",
        notification_type="lobby.game_started", occurred_at_ms=1, request_id="r-1", trace_id="", payload=b"{}",
    )  # fmt: skip


@pytest.mark.parametrize(("attempts", "whole"), [(1, 100), (2, 200), (4, 800), (5, 1000), (400, 1000)])
def test_pauses_double_up_to_the_longest_less_some_jitter(attempts: int, whole: int) -> None:
    pauses = {BUDGET.pause_ms(attempts) for _ in range(200)}
    assert whole / 2 <= min(pauses) <= max(pauses) <= whole
    assert len(pauses) > 10


@pytest.mark.parametrize(("attempts", "state"), [(1, "pending"), (4, "pending"), (5, "dead"), (6, "dead")])
def test_the_last_attempt_of_the_budget_is_the_last(attempts: int, state: str) -> None:
    change = BUDGET.judge(route(attempts), Failed("publish_refused", "WRONGTYPE"))
    assert (change.state, change.error_code, change.counted) == (state, "publish_refused", True)
    assert (change.delay_ms > 0) is (state == "pending")


def test_a_permanent_failure_is_dead_at_once() -> None:
    assert BUDGET.judge(route(1), Failed("user_not_found", "no such user", permanent=True)).state == "dead"


def test_an_outage_uses_nothing_up_even_at_the_last_attempt() -> None:
    change = BUDGET.judge(route(5), Postponed("connection refused"))
    assert (change.state, change.counted, change.delay_ms) == ("pending", False, 0)


def test_done_is_done() -> None:
    delivered = BUDGET.judge(route(), Delivered("de", "a***@e***.test"))
    assert (delivered.state, delivered.locale, delivered.masked) == ("delivered", "de", "a***@e***.test")
    assert BUDGET.judge(route(), Suppressed("user_blocked")).state == "suppressed"


def test_no_address_and_no_novel_gets_into_a_message() -> None:
    change = BUDGET.judge(route(), Failed("x", "ada@example.test " + "x" * 10_000))
    assert "ada" not in change.error_message
    assert len(change.error_message) == 500
