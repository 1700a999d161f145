"""The driver protocol, with drivers that answer, refuse, die, hang and talk nonsense."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from verdict import protocol
from verdict.protocol import ProtocolError, Reading
from verdict.side import DriverFailed, Refused, Side

ECHO = """
import json, sys
def say(**message):
    print(json.dumps(message), flush=True)
for line in sys.stdin:
    question = json.loads(line)
    print("asked", question, file=sys.stderr, flush=True)
"""


@pytest.fixture
def driven(tmp_path: Path) -> Callable[..., Side]:
    """Makes a side whose driver does `body` with each question."""

    def make(body: str, **options: float) -> Side:
        program = ECHO + "".join(f"    {line}\n" for line in body.strip().splitlines())
        said.clear()
        command = [sys.executable, "-I", "-S", "-c", program]
        return Side(
            "B", command=command, variables={}, log=tmp_path / "driver.log", say=said.append, **options
        )

    return make


said: list[str] = []


def test_samples_come_as_they_were_taken(driven: Callable[..., Side]) -> None:
    with driven(
        "say(ok=True, readings=[{'value': 1.5, 'also': {'rss': 2}, 'at': 3.0}] * question['count'])"
    ) as subject:
        assert subject.sample("m", 2) == [Reading(1.5, {"rss": 2}, 3.0)] * 2


def test_progress_is_told_before_the_answer(driven: Callable[..., Side]) -> None:
    with driven("say(progress='lobby: building'); say(ok=True)") as subject:
        subject.build(["docker"])
    assert said == ["B: lobby: building"]


def test_what_a_driver_cannot_do_is_refused_in_its_words_and_it_lives_on(driven: Callable[..., Side]) -> None:
    with driven("say(error='no such rig') if question['ask'] == 'open' else say(ok=True)") as subject:
        with pytest.raises(Refused, match="no such rig"):
            subject.open("r")
        subject.close()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("sys.exit(3)", "ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
    ],
)
def test_a_driver_that_dies_is_named_with_its_last_words(
    driven: Callable[..., Side], end: str, words: str
) -> None:
    with driven(f"print('my last words', file=sys.stderr, flush=True); {end}") as subject:
        with pytest.raises(DriverFailed, match=f"B: its driver {words} when it was asked to open") as caught:
            subject.open("r")
        assert "my last words" in str(caught.value)
        with pytest.raises(DriverFailed, match=words):
            subject.open("r")


def test_a_driver_that_does_not_answer_is_given_up_and_ended(driven: Callable[..., Side]) -> None:
    silent = driven("pass", patience=0.2)
    with pytest.raises(DriverFailed, match="did not answer prepare in time"), silent as subject:
        subject.prepare("m", 0)
    with pytest.raises(ProcessLookupError):
        os.kill(subject.pid, 0)


def test_an_answer_that_is_none_is_shown(driven: Callable[..., Side]) -> None:
    with (
        driven("print('hello', flush=True)") as subject,
        pytest.raises(DriverFailed, match="answered no JSON: b'hello'"),
    ):
        subject.close()


@pytest.mark.parametrize(
    "answer",
    [
        "readings=[]",
        "readings=[{'value': 0, 'also': {}, 'at': 1}]",
        "readings=[{'value': 'x', 'also': {}, 'at': 1}]",
        "x=1",
    ],
)
def test_samples_that_are_none_are_never_taken_for_some(driven: Callable[..., Side], answer: str) -> None:
    with driven(f"say(ok=True, {answer})") as subject, pytest.raises(DriverFailed, match="B: m: "):
        subject.sample("m", 1)


def test_a_driver_is_gone_when_its_block_ends(driven: Callable[..., Side]) -> None:
    with driven("say(ok=True)") as subject:
        subject.close()
        os.kill(subject.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(subject.pid, 0)


def test_lines_are_objects() -> None:
    assert protocol.decode(protocol.encode({"ask": "open"})) == {"ask": "open"}
    for line in (b"[]\n", b"{\n"):
        with pytest.raises(ProtocolError):
            protocol.decode(line)
