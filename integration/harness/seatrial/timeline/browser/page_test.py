"""What the page of a timeline shows in a real browser, and how one moves in it."""

import json

import pytest
from playwright.sync_api import expect

from seatrial.timeline.browser.conftest import Timeline, happened
from seatrial.timeline.browser.story import FAILURE, OTHER, REQUEST, STORY, TRACE, crowd, logged

pytestmark = pytest.mark.requires("browser")


def test_it_opens_from_a_file_with_no_network_and_no_complaint(timeline: Timeline) -> None:
    timeline.open(STORY)
    expect(timeline.page).to_have_title("suite/shop_test.py::test_bread")
    expect(timeline.id("status")).to_have_text("24 of 24 events, 0.0000 to 0.9000 s")
    assert timeline.requests == [timeline.address]
    assert timeline.complaints == []


def test_it_may_not_connect_to_anything(timeline: Timeline) -> None:
    timeline.open(STORY)
    blocked = """(address) => new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), { once: true });
        fetch(address).then(() => resolve("fetched"), () => undefined);
    })"""
    assert timeline.page.evaluate(blocked, "http://127.0.0.1:9/") == "connect-src"
    assert any("Content Security Policy" in said for said in timeline.complaints)
    timeline.complaints.clear()


def test_the_lanes_stand_in_the_order_that_explains(timeline: Timeline) -> None:
    timeline.open(STORY)
    expect(timeline.page.locator("#labels li")).to_have_count(6)
    assert timeline.lanes == ["test", "customer", "oven", "orders", "mail", "proxy oven-orders"]


def test_the_failure_is_seen_first(timeline: Timeline) -> None:
    timeline.open(STORY)
    expect(timeline.id("outcome")).to_have_text("failed")
    expect(timeline.id("failure")).to_contain_text("failed in call > order > taste at 0.7000 s")
    expect(timeline.id("failure")).to_contain_text("AssertionError: no bread\nassert 0 == 1")
    expect(timeline.id("failure")).to_be_in_viewport()
    expect(timeline.chosen).to_have_attribute("data-number", str(FAILURE))
    expect(timeline.chosen).to_be_in_viewport()
    assert timeline.colour("error") in timeline.colours(
        "proxy oven-orders", 0.7
    )  # the line through all lanes
    assert timeline.colour("error") not in timeline.colours("proxy oven-orders", 0.75)


def test_a_long_setting_up_is_left_out_at_first(timeline: Timeline) -> None:
    slow = [
        happened(0.0, "test", "start"),
        happened(8.0, "oven", "ready"),
        happened(9.0, "test", "step", "order", step=1),
        happened(10.0, "test", "failed", "call", message="late"),
    ]
    timeline.open(slow)
    expect(timeline.id("status")).to_have_text("2 of 4 events, 8.9700 to 10.0000 s")
    timeline.page.keyboard.press("0")
    expect(timeline.id("status")).to_have_text("4 of 4 events, 0.0000 to 10.0000 s")


def test_a_test_that_passed_and_one_that_was_cut_off_are_told_apart(timeline: Timeline) -> None:
    timeline.open([happened(0.0, "test", "start"), happened(1.0, "test", "end", outcome="passed")])
    expect(timeline.id("outcome")).to_have_text("passed")
    expect(timeline.id("failure")).to_be_hidden()
    timeline.open([happened(0.0, "test", "start")])
    expect(timeline.id("outcome")).to_have_text("unfinished")


def test_no_event_at_all_is_a_page_too(timeline: Timeline) -> None:
    timeline.open([])
    expect(timeline.id("status")).to_have_text("0 of 0 events, 0.0000 to 0.0000 s")
    expect(timeline.id("list")).to_contain_text("Nothing passes the filters")


def test_what_has_a_begin_and_an_end_is_a_bar_and_can_be_clicked_anywhere(timeline: Timeline) -> None:
    timeline.open(STORY)
    timeline.click("test", 0.6, row=1)
    expect(timeline.chosen).to_contain_text("order")
    timeline.click("test", 0.38, row=2)  # nested, below the other
    expect(timeline.chosen).to_contain_text("pay")
    timeline.click("oven", 0.27)
    expect(timeline.chosen).to_contain_text("ready")
    timeline.click("oven", 0.16)
    expect(timeline.chosen).to_contain_text("spawned")
    timeline.click("test", 0.5, row=2)  # nothing is there
    expect(timeline.chosen).to_have_count(0)


def test_lines_of_logs_have_the_colours_of_their_levels(timeline: Timeline) -> None:
    timeline.open(STORY, at="#e0")
    expect(timeline.chosen).to_have_count(1)
    assert timeline.colour("warning") in timeline.colours("oven", 0.5)
    assert timeline.colour("error") in timeline.colours("oven", 0.54)
    assert timeline.colour("role-process") in timeline.colours("oven", 0.32)


def test_a_fault_shades_all_lanes_while_it_lasts(timeline: Timeline) -> None:
    timeline.open(STORY, at="#e0")
    expect(timeline.chosen).to_have_count(1)
    for lane in ("mail", "orders"):
        assert any(alpha for *_, alpha in timeline.pixels(lane, 0.47))
        assert not any(alpha for *_, alpha in timeline.pixels(lane, 0.62))


def test_a_request_shows_both_sides_of_its_exchange(timeline: Timeline) -> None:
    timeline.open(STORY)
    timeline.click("customer", 0.31)
    expect(timeline.chosen).to_have_attribute("data-number", str(REQUEST))
    details = timeline.id("details")
    expect(details).to_contain_text("Same trace: 5 events in 4 lanes")
    expect(details).to_contain_text(TRACE)
    shown = timeline.page.locator(".exchange button")
    assert [each.split("\n")[:2] for each in shown.all_inner_texts()] == [
        ["chosen", "customer"],
        ["+20.0 ms", "oven"],  # named by its request id alone
        ["+30.0 ms", "stream orders"],
        ["+40.0 ms", "mail"],
        ["+50.0 ms", "customer"],
    ]
    expect(timeline.page.locator("#list .related")).to_have_count(4)
    shown.nth(1).click()
    expect(timeline.chosen).to_contain_text("order_taken")
    expect(details).to_contain_text('"request_id": "r-1"')
    expect(details).to_contain_text("\N{MINUS SIGN}20.0 ms")
    timeline.page.keyboard.press("]")
    expect(timeline.chosen).to_contain_text("rye")
    timeline.page.keyboard.press("[")
    expect(timeline.chosen).to_contain_text("order_taken")
    timeline.page.keyboard.press("z")
    expect(timeline.id("status")).not_to_contain_text("24 of 24")
    assert list(timeline.window) == [pytest.approx(0.25), pytest.approx(0.4)]


def test_without_a_trace_the_request_id_joins_and_else_the_exchange(timeline: Timeline) -> None:
    timeline.open(
        [
            happened(0.1, "a", "request", "GET /", exchange=1, request_id="r"),
            logged(0.2, "b", "seen", request_id="r"),
            happened(0.3, "a", "response", exchange=1, status=200, request_id="r"),
            happened(0.4, "a", "request", "GET /2", exchange=2),
            happened(0.5, "a", "no_answer", "refused", exchange=2),
        ],
        at="#e1",
    )
    expect(timeline.id("details")).to_contain_text("Same request: 3 events in 2 lanes")
    timeline.row(4).click()
    expect(timeline.id("details")).to_contain_text("Same exchange: 2 events in 1 lane")


def test_one_request_id_in_two_traces_joins_neither_with_the_other(timeline: Timeline) -> None:
    timeline.open(
        [
            happened(0.1, "a", "request", "first", request_id="r", trace_id=TRACE),
            logged(0.2, "b", "seen", request_id="r"),
            happened(0.3, "a", "request", "again", request_id="r", trace_id=OTHER),
            logged(0.4, "b", "seen_again", request_id="r"),
        ],
        at="#e3",
    )
    expect(timeline.page.locator("#list .related")).to_have_count(1)
    expect(timeline.page.locator("#list .related")).to_contain_text("again")


def test_all_fields_of_an_event_are_shown(timeline: Timeline) -> None:
    document = {"level": "INFO", "event": "deep", "rows": [{"id": 1}], "text": "a\nb"}
    odd = happened(
        0.1, "oven", "log", json.dumps(document), level="INFO", big=2**63, none=None, rate=1.5, ok=True
    )
    timeline.open([odd], at="#e0")
    fields = timeline.page.locator(".fields dt").all_inner_texts()
    values = timeline.page.locator(".fields dd").all_inner_texts()
    shown = dict(zip(fields, values, strict=True))
    assert json.loads(shown.pop("detail")) == document
    assert shown == {
        "big": "9223372036854775808",
        "none": "null",
        "rate": "1.5",
        "ok": "true",
        "at_s": "0.1",
        "source": "oven",
        "event": "log",
        "level": "INFO",
    }


def test_dragging_zooms_to_what_is_selected_and_a_double_click_shows_all(timeline: Timeline) -> None:
    timeline.open(STORY)
    expect(timeline.chosen).to_have_count(1)
    timeline.drag("mail", 0.29, 0.39)
    expect(timeline.id("status")).to_contain_text("of 24 events, 0.2")
    from_s, to_s = timeline.window
    assert from_s == pytest.approx(0.29, abs=0.003)
    assert to_s == pytest.approx(0.39, abs=0.003)
    expect(timeline.rows).to_have_count(5)  # the list shows what the drawing shows
    timeline.drag("mail", 0.36, 0.34, key="Shift")
    expect(timeline.id("status")).to_contain_text("0.31")
    assert timeline.window[1] - timeline.window[0] == pytest.approx(to_s - from_s)
    timeline.id("axis").dblclick()
    expect(timeline.id("status")).to_contain_text("24 of 24 events")


def test_the_wheel_zooms_at_the_pointer_and_moves_with_shift(timeline: Timeline) -> None:
    timeline.open(STORY)
    expect(timeline.chosen).to_have_count(1)
    x, y = timeline.place("mail", 0.34)
    timeline.id("drawing").hover(position={"x": x, "y": y})
    timeline.page.mouse.wheel(0, -800)
    expect(timeline.id("status")).not_to_contain_text("24 of 24")
    from_s, to_s = timeline.window
    assert to_s - from_s < 0.3
    assert timeline.place("mail", 0.34)[0] == pytest.approx(x, abs=1.5)
    timeline.page.keyboard.down("Shift")
    timeline.page.mouse.wheel(0, 200)
    timeline.page.keyboard.up("Shift")
    expect(timeline.id("drawing")).not_to_have_attribute("data-from", str(from_s))
    assert timeline.window[0] > from_s
    assert timeline.window[1] - timeline.window[0] == pytest.approx(to_s - from_s)
    timeline.page.mouse.wheel(0, 100000)
    expect(timeline.id("status")).to_contain_text("24 of 24 events")


def test_the_overview_moves_the_window(timeline: Timeline) -> None:
    timeline.open(crowd(100))
    expect(timeline.chosen).to_have_count(1)
    timeline.drag("service-8", 1.0, 7.0)
    expect(timeline.id("status")).to_contain_text("of 101 events, 1.0")
    box = timeline.id("overview").bounding_box()
    assert box is not None
    timeline.id("overview").click(position={"x": box["width"] / 2, "y": 10})
    expect(timeline.id("status")).to_contain_text("of 101 events, 27.")
    assert timeline.window[1] - timeline.window[0] == pytest.approx(6.0, abs=0.2)


def test_keys_alone_do_everything(timeline: Timeline) -> None:
    timeline.open(STORY)
    keyboard = timeline.page.keyboard
    keyboard.press("Escape")
    expect(timeline.chosen).to_have_count(0)
    keyboard.press("f")
    expect(timeline.chosen).to_contain_text("failed")
    keyboard.press("+")
    expect(timeline.id("status")).not_to_contain_text("24 of 24")
    width = timeline.window[1] - timeline.window[0]
    drawing = timeline.id("drawing")
    drawing.focus()
    before = timeline.window[0]
    keyboard.press("ArrowLeft")
    expect(drawing).not_to_have_attribute("data-from", str(before))
    assert timeline.window[0] == pytest.approx(before - 0.15 * width)
    keyboard.press("0")
    expect(timeline.id("status")).to_contain_text("24 of 24")
    keyboard.press("ArrowUp")
    expect(timeline.chosen).to_have_attribute("data-number", str(FAILURE - 1))
    timeline.id("list").focus()
    keyboard.press("Home")
    expect(timeline.chosen).to_have_attribute("data-number", "0")
    expect(timeline.id("list")).to_have_attribute("aria-activedescendant", "row-0")
    keyboard.press("ArrowDown")
    expect(timeline.chosen).to_have_attribute("data-number", "1")
    keyboard.press("End")
    expect(timeline.chosen).to_have_attribute("data-number", "23")
    keyboard.press("?")
    expect(timeline.id("help")).to_be_visible()
    keyboard.press("Escape")
    expect(timeline.id("help")).to_be_hidden()
    keyboard.press("/")
    expect(timeline.id("search")).to_be_focused()
