import pytest

from seatrial.teardown import Interrupted, Teardown, stop_order


def test_an_error_does_not_keep_the_next_step_from_running() -> None:
    teardown = Teardown()
    done: list[str] = []

    def broken() -> None:
        raise ValueError("first")

    teardown.attempt("one", broken)
    teardown.attempt("two", lambda: done.append("two"))
    teardown.add([RuntimeError("second")])
    group = teardown.group("a test")
    assert done == ["two"]
    assert group is not None
    assert [str(error) for error in group.exceptions] == ["first", "second"]
    assert group.message == "2 problems at the end of a test"


def test_an_interrupt_is_kept_for_the_end() -> None:
    teardown = Teardown()

    def interrupted() -> None:
        raise KeyboardInterrupt

    def timed_out() -> None:
        pytest.fail("Timeout >1.0s")

    teardown.attempt("stopping gateway", interrupted)
    teardown.attempt("stopping redis", timed_out)
    assert isinstance(teardown.interrupt, KeyboardInterrupt)
    assert [type(error) for error in teardown.errors] == [Interrupted, Interrupted]
    assert "stopping redis: cut short: Timeout >1.0s" in str(teardown.errors[1])


def test_nothing_wrong_is_no_group() -> None:
    assert Teardown().group("a test") is None


def test_users_of_an_address_are_stopped_before_its_owner() -> None:
    texts = {
        "redis": "",
        "auth": "redis://127.0.0.1:4001/0",
        "gateway": "redis://127.0.0.1:4001/0 http://127.0.0.1:4002",
    }
    addresses = {"redis": ["127.0.0.1:4001"], "auth": ["127.0.0.1:4002"], "gateway": ["127.0.0.1:4003"]}
    assert stop_order(texts, addresses) == [["gateway"], ["auth"], ["redis"]]


def test_independent_ones_are_stopped_together_the_last_one_first() -> None:
    texts = {"redis": "", "one": "127.0.0.1:4001", "two": "127.0.0.1:4001"}
    assert stop_order(texts, {"redis": ["127.0.0.1:4001"]}) == [["two", "one"], ["redis"]]


def test_a_longer_port_is_another_address() -> None:
    texts = {"a": "", "b": "127.0.0.1:40010"}
    assert stop_order(texts, {"a": ["127.0.0.1:4001"]}) == [["b", "a"]]


def test_a_circle_is_broken_at_the_last_one_started() -> None:
    texts = {"a": "127.0.0.1:2", "b": "127.0.0.1:1"}
    assert stop_order(texts, {"a": ["127.0.0.1:1"], "b": ["127.0.0.1:2"]}) == [["b"], ["a"]]
