"""The page as a file; `browser/` looks at it as a person does."""

import base64
import hashlib
import html
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from seatrial.timeline import page
from seatrial.timeline.page import Problem

START = {"at_s": 0.0, "source": "test", "event": "start"}


def line(**changes: object) -> bytes:
    return json.dumps({**START, **changes}).encode()


def embedded(document: str) -> Any:
    """The data that a page carries."""
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', document, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_page_holds_its_events_and_needs_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "timeline.jsonl").write_bytes(line() + b"\n" + line(at_s=0.5, event="end") + b"\n")
    file = tmp_path / "timeline.html"
    page.write(tmp_path / "timeline.jsonl", file, title="suite::test")
    document = file.read_text(encoding="utf-8")
    assert "<title>suite::test</title>" in document
    assert embedded(document) == {
        "title": "suite::test",
        "events": [START, {**START, "at_s": 0.5, "event": "end"}],
        "problems": [],
    }
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", document, flags=re.DOTALL)
    assert re.findall(r"<(?:link|img|iframe|base|object)\b|\b(?:src|href)=", markup) == []
    assert "url(" not in document
    assert "import(" not in document
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert sorted(each.name for each in tmp_path.iterdir()) == ["timeline.html", "timeline.jsonl"]


def test_a_page_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "timeline.html"
    file.write_text("the old one")
    with pytest.raises(FileNotFoundError):
        page.write(tmp_path / "gone.jsonl", file, title="t")
    assert file.read_text() == "the old one"
    (tmp_path / "timeline.jsonl").write_bytes(line())
    page.write(tmp_path / "timeline.jsonl", file, title="t")
    assert len(embedded(file.read_text())["events"]) == 1


def test_events_come_in_the_order_of_time_and_equal_times_as_they_were() -> None:
    lines = [line(at_s=2), line(at_s=1, source="a"), line(at_s=1, source="b"), b"", line(at_s=-0.5)]
    events, problems = page.read(b"\n".join(lines))
    assert [(each["at_s"], each["source"]) for each in events] == [
        (-0.5, "test"),
        (1, "a"),
        (1, "b"),
        (2, "test"),
    ]
    assert problems == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line()[:20], "not JSON: "),
        (line() + line(), "not JSON: Extra data at character"),
        (b"plain words", "not JSON: Expecting value at character 1"),
        (b"[1]", "not a JSON object"),
        (b'{"source": "test", "event": "start"}', "at_s is no number of seconds"),
        (line(at_s="1"), "at_s is no number of seconds"),
        (line(at_s=True), "at_s is no number of seconds"),
        (b'{"at_s": NaN, "source": "a", "event": "b"}', "at_s is no number of seconds"),
        (b'{"at_s": 1e999, "source": "a", "event": "b"}', "at_s is no number of seconds"),
        (line(source=None), "source is no text"),
        (line(event=7), "event is no text"),
        (b'{"at_s": 1, "source": "\xff", "event": "b"}', "not UTF-8: invalid start byte at byte 24"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_event_is_named_and_the_others_stay(bad: bytes, reason: str) -> None:
    events, problems = page.read(b"\n".join([line(), bad, line(at_s=1)]))
    assert len(events) == 2
    (problem,) = problems
    assert problem.line == 2
    assert problem.reason.startswith(reason)
    assert problem.text.encode().startswith(bad[:15]) or b"\xff" in bad
    shown = embedded(page.render(events, problems, title="t"))["problems"]
    assert [each["line"] for each in shown] == [2]


def test_a_long_line_is_shortened_and_an_odd_byte_can_be_read() -> None:
    _, problems = page.read(b"\xff" + b"x" * 10_000)
    (problem,) = problems
    assert problem.text.startswith("\\xffxxx")
    assert problem.text.endswith("more characters)")
    assert len(problem.text) < 600


def test_numbers_that_a_browser_would_change_are_kept_as_they_were() -> None:
    document = b'{"at_s": 1, "source": "a", "event": "b", "id": 9223372036854775807, "low": -12, "far": 1e999, "nan": NaN}'
    events, problems = page.read(document)
    assert problems == []
    shown = embedded(page.render(events, [], title="t"))["events"][0]
    assert {name: shown[name] for name in ("id", "low", "far", "nan")} == {
        "id": "9223372036854775807",
        "low": -12,
        "far": "1e999",
        "nan": "NaN",
    }


@pytest.mark.parametrize(
    "evil",
    ["</script><script>alert(1)</script>", "<!--<script>", "{{script}}", '"><img src=x>', "\ud800", "\u2028"],
)
def test_nothing_that_a_test_says_becomes_a_part_of_the_page(evil: str) -> None:
    harmless = page.render([START], [Problem(1, "r", "t")], title="t")
    document = page.render(
        [{**START, "source": evil, evil: evil}], [Problem(1, evil, evil)], title=f"suite::{evil}"
    )
    data = embedded(document)
    assert data["events"][0]["source"] == evil
    assert data["problems"][0]["text"] == evil
    for tag in ("<script", "</script", "<img", "<!--"):
        assert document.lower().count(tag) == harmless.lower().count(tag)
    document.encode()


def test_only_its_own_script_and_style_may_run() -> None:
    document = page.render([START], [], title="t")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', document)
    assert found
    policy = dict(part.split(" ", 1) for part in html.unescape(found[1]).split("; "))
    assert policy["default-src"] == "'none'"
    for directive, opening in (("script-src", '<script type="module">'), ("style-src", "<style>")):
        inline = re.search(f"{opening}(.*?)</", document, re.DOTALL)
        assert inline
        digest = base64.b64encode(hashlib.sha256(inline[1].encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"


def test_the_script_ends_where_it_should_and_every_part_of_it_is_joined() -> None:
    folder = Path(page.__file__).with_name("page_assets")
    assert {each.name for each in folder.glob("*.js")} == set(page.SCRIPTS)
    for each in folder.iterdir():
        text = each.read_text(encoding="utf-8")
        assert each.name == "page.html" or "</script" not in text.lower()
        assert "innerHTML" not in text
