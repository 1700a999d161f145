import asyncio
from typing import Any

import pytest
from servicekit.client import HttpClient
from servicekit.testing.peer import Answer

from authsession.conftest import Service, World
from authsession.delivery import Deliveries, QueueFullError, Rules
from authsession.mail import LoginCode, RestMail

ACCEPTED = (202, {"delivery_id": "d1"})
USUAL: dict[str, Any] = {
    "lifetime_s": 60.0,
    "first_pause_s": 0.001,
    "longest_pause_s": 0.01,
    "capacity": 100,
    "concurrency": 4,
}


def mail(n: int = 1) -> LoginCode:
    return LoginCode(f"ada{n}@example.test", f"{n:06d}", "en", f"c_{n}")


class Queue:
    """Deliveries to a peer."""

    def __init__(self, world: World, *replies: Answer, timeout: float = 5.0, **rules: Any) -> None:
        self.world = world
        self.peer: Service
        self.peer, url = world.peer(*replies)
        self.state = world.dependency("mail")
        client = world.enter(HttpClient(url, timeout=timeout))
        self.deliveries = Deliveries(RestMail(client), Rules(**{**USUAL, **rules}), self.state, world.metrics)

    def send(self, *numbers: int) -> None:
        async def start() -> None:
            for n in numbers:
                with self.deliveries.reserve() as place:
                    place.send(mail(n))

        self.world.run(start())

    def settle(self, seconds: float = 10.0) -> None:
        """Until nothing is on its way."""
        self.world.run(self.deliveries.drain(seconds))

    def outcome(self, name: str) -> float:
        return self.world.metrics.counter(
            "authsession_mail_deliveries_total", "Mails by what became of them", labels=("outcome",)
        ).value(name)


def test_a_mail_is_sent_once(world: World) -> None:
    queue = Queue(world, ACCEPTED)
    queue.send(1, 2, 3)
    queue.settle()
    assert sorted(call.body["email"] for call in queue.peer.calls) == [
        f"ada{n}@example.test" for n in (1, 2, 3)
    ]
    assert queue.state.available


def test_sending_does_not_wait_for_the_mail_service(world: World) -> None:
    queue = Queue(world, "hang")
    queue.send(1)
    world.run(queue.peer.called(1))
    waiting = world.metrics.gauge("authsession_mail_deliveries_waiting", "Mails on their way")
    assert waiting.value() == 1
    queue.settle(0)
    assert waiting.value() == 0


def test_a_failing_service_is_asked_again_with_the_same_key_and_body(world: World) -> None:
    queue = Queue(world, (500, {}), "drop", (202, {}), (429, {}), ACCEPTED)
    queue.send(1)
    world.run(queue.peer.called(5))
    queue.settle()
    assert len(queue.peer.calls) == 5
    assert {call.headers["idempotency-key"] for call in queue.peer.calls} == {"c_1"}
    assert len({str(call.body) for call in queue.peer.calls}) == 1
    assert queue.state.available


def test_a_refusal_ends_the_delivery(world: World) -> None:
    queue = Queue(world, (422, {}), ACCEPTED)
    queue.send(1)
    queue.settle()
    assert len(queue.peer.calls) == 1
    assert queue.outcome("refused") == 1
    assert queue.state.available


def test_no_mail_is_sent_once_its_code_has_expired(world: World) -> None:
    queue = Queue(world, "hang", ACCEPTED, timeout=0.2, concurrency=1, lifetime_s=0.1)
    queue.send(1, 2)
    queue.settle()
    assert [call.body["code"] for call in queue.peer.calls] == ["000001"]
    assert queue.outcome("expired") == 2


def test_only_so_many_mails_wait(world: World) -> None:
    queue = Queue(world, "hang", capacity=2)
    queue.send(1, 2)
    with pytest.raises(QueueFullError):
        queue.send(3)
    queue.settle(0)
    queue.peer.replies = [ACCEPTED]
    queue.send(4)
    queue.settle()
    assert queue.peer.calls[-1].body["code"] == "000004"


def test_a_place_that_is_not_used_is_given_back(world: World) -> None:
    queue = Queue(world, ACCEPTED, capacity=1)
    for _ in range(3):
        with queue.deliveries.reserve():
            pass
    queue.send(1)
    queue.settle()


def test_only_so_many_mails_are_sent_at_a_time(world: World) -> None:
    queue = Queue(world, "hang", concurrency=2)
    queue.send(1, 2, 3, 4)
    world.run(queue.peer.called(2))
    with pytest.raises(TimeoutError):
        world.run(asyncio.wait_for(queue.peer.called(3), 0.1))
    queue.settle(0)


def test_the_drain_ends_pauses_and_delivers(world: World) -> None:
    queue = Queue(world, (500, {}), ACCEPTED, first_pause_s=3600.0, longest_pause_s=3600.0, lifetime_s=7200.0)
    queue.send(1)
    world.run(queue.peer.called(1))
    queue.settle()
    assert len(queue.peer.calls) == 2


def test_the_drain_gives_up_when_its_time_is_over(world: World) -> None:
    queue = Queue(world, "hang")
    queue.send(1, 2)
    world.run(queue.peer.called(2))
    queue.settle(0.05)
    assert queue.outcome("abandoned") == 2
