"""Log lines: their form, and what they never hold."""

import asyncio
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit import logs, tracing


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the root logger writes during the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("DEBUG", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_promised_form(stream: io.StringIO) -> None:
    logs.get("kit.test").warning("something_happened", count=2, name="a\nb", ratio=0.5, gone=None, on=True)
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("ts"))
    assert line == {
        "level": "WARNING", "logger": "kit.test", "event": "something_happened",
        "count": 2, "name": "a\nb", "ratio": 0.5, "gone": None, "on": True,
    }  # fmt: skip


def test_a_line_bears_the_trace_that_its_task_works_for(stream: io.StringIO) -> None:
    async def work(trace: str | None) -> None:
        tracing.begin(trace)
        logs.get("kit").info("done")
        logs.get("kit").info("told", trace_id="its own")

    for trace in ("a" * 32, None):
        asyncio.run(work(trace))
    assert [line.get("trace_id") for line in lines(stream)] == ["a" * 32, "its own", None, "its own"]


def test_at_debug_libraries_do_not_chatter(stream: io.StringIO) -> None:
    for name in ("asyncio", "grpc._cython.cygrpc"):
        logging.getLogger(name).debug("I am here")
        logging.getLogger(name).error("I am broken")
    assert [line["message"] for line in lines(stream)] == ["I am broken"] * 2


def raise_for(address: str) -> None:
    raise KeyError(f"for {address}")


def test_an_exception_is_one_line_with_its_traceback(stream: io.StringIO) -> None:
    log = logs.get("kit")
    try:
        raise_for("ada@example.test")
    except KeyError as problem:
        log.exception("failed")
        log.failure("failed", problem)
    first, second = lines(stream)
    assert first["exception"] == second["exception"]
    assert first["exception"].startswith("Traceback (most recent call last):")
    assert first["exception"].endswith("KeyError: 'for [email]")
    assert first["level"] == "ERROR"


def test_lines_of_others_have_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("other").critical("hello %s", "ada@example.test")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    first, second = lines(stream)
    assert (first["level"], first["event"], first["message"]) == ("ERROR", "message", "hello [email]")
    assert second["logger"] == "py.warnings"


@pytest.mark.parametrize(
    "name",
    [
        "email",
        "code",
        "login_code",
        "signing_key",
        "Authorization",
        "x-api-key",
        "token",
        "payload",
        "payload_bytes",
        "signature",
        "body",
    ],
)
def test_a_field_that_is_called_a_secret_is_redacted(stream: io.StringIO, name: str) -> None:
    logs.get("kit").info("event", **{name: "hunter2", "inner": {name: b"hunter2", "list": [{name: 2}]}})
    (line,) = lines(stream)
    assert line[name] == "[redacted]"
    assert line["inner"] == {name: "[redacted]", "list": [{name: "[redacted]"}]}


@pytest.mark.parametrize(
    "name", ["error_code", "status_code", "key_id", "reason_code", "encoded", "keyspace"]
)
def test_a_field_that_only_looks_like_it_is_kept(stream: io.StringIO, name: str) -> None:
    logs.get("kit").info("event", **{name: "value"})
    assert lines(stream)[0][name] == "value"


def test_a_hidden_secret_is_taken_out_wherever_it_is(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_hidden", set[str]())
    logs.hide("correct horse")
    logs.hide("short")
    log = logs.get("kit")
    log.info(
        "event",
        text="the correct horse battery",
        nested=["correct horse"],
        other=ValueError("correct horse"),
        plain="short",
    )
    logging.getLogger("other").info("correct horse")
    assert "correct horse" not in stream.getvalue()
    assert lines(stream)[0]["plain"] == "short"


@given(st.emails())
def test_no_address_survives(address: str) -> None:
    domain = address.rpartition("@")[2]
    for text in (address, f"for <{address}>", f"a={address}&b"):
        scrubbed = logs.scrub(text)
        assert address not in scrubbed
        assert f"@{domain}" not in scrubbed


def test_bytes_are_only_counted(stream: io.StringIO) -> None:
    logs.get("kit").info("event", data=b"hunter2")
    assert lines(stream)[0]["data"] == "[7 bytes]"


def test_a_field_cannot_pass_itself_off_as_the_event(stream: io.StringIO) -> None:
    logs.get("kit").info("real", event="false", level="false", ts="false")
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["event_"]) == ("real", "INFO", "false")


@given(
    st.text(),
    st.recursive(st.none() | st.floats() | st.integers() | st.text() | st.binary(), st.lists, max_leaves=5),
)
def test_whatever_is_logged_is_one_line_of_json(event: str, value: Any) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    logger = logging.Logger("kit")  # noqa: LOG001 - apart from the others
    logger.addHandler(handler)
    logs.Log(logger).info(event, value=value)
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue())["event"] == event


def test_the_level_is_the_least_that_is_written(stream: io.StringIO) -> None:
    logs.configure("WARNING", stream)
    logs.get("kit").info("quiet")
    logs.get("kit").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]
