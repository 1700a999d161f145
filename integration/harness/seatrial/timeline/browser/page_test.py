"""The page of a timeline in a real browser."""

import json

import pytest
from playwright.sync_api import expect

from seatrial.timeline.browser.conftest import Record, Timeline, happened

pytestmark = pytest.mark.requires("browser")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER = "00f067aa0ba902b700f067aa0ba902b7"


def logged(at_s: float, source: str, event: str, level: str = "INFO", **fields: object) -> Record:
    document = json.dumps({"level": level, "logger": f"{source}.app", "event": event, **fields})
    ids = {name: value for name, value in fields.items() if name in ("trace_id", "request_id")}
    return happened(at_s, source, "log", document, level=level, **ids)


STORY = [
    happened(0.0, "test", "start", "suite/shop_test.py::test_bread", seed=7),
    happened(0.1, "oven", "spawned", "/bin/oven", pid=42),
    happened(0.2, "oven", "ready", "after 100 ms"),
    happened(0.25, "test", "step", "order", step=1),
    happened(0.26, "test", "step", "pay", step=2),
    happened(
        0.3, "customer", "request", "POST /bread", exchange=1, to="oven", request_id="r-1", trace_id=TRACE
    ),
    logged(0.32, "oven", "order_taken", request_id="r-1"),
    happened(0.33, "stream orders", "entry", "rye", entry_id="1-0", by="oven", trace_id=TRACE),
    happened(0.34, "mail", "call", "POST /send -> 202", trace_id=TRACE),
    happened(0.35, "customer", "response", exchange=1, status=201, took_s=0.05),
    happened(0.4, "test", "step_done", "pay", step=2, took_s=0.14),
    happened(0.45, "proxy oven-orders", "fault", "drop_traffic both", fault=1),
    logged(0.5, "oven", "orders_unreachable", "WARNING"),
    happened(0.52, "customer", "request", "GET /bread", exchange=2, to="oven", trace_id=OTHER),
    logged(0.54, "oven", "no_bread", "ERROR", trace_id=OTHER),
    happened(0.55, "customer", "response", exchange=2, status=503, took_s=0.03),
    happened(0.6, "proxy oven-orders", "fault_over", "drop_traffic", fault=1),
    happened(0.62, "test", "step", "taste", step=3),
    happened(0.64, "test", "step_failed", "taste", step=3, error="AssertionError", took_s=0.02),
    happened(0.65, "test", "step_failed", "order", step=1, error="AssertionError", took_s=0.4),
    happened(0.7, "test", "failed", "call", message="AssertionError: no bread\nassert 0 == 1"),
    happened(0.72, "test", "teardown"),
    happened(0.8, "oven", "exited", "exit code 0", status=0),
    happened(0.9, "test", "end", outcome="failed"),
]
REQUEST, RESPONSE, FAILURE = 5, 9, 20


def crowd(count: int) -> list[Record]:
    """So many lines of logs, in a test of a minute that fails near its end."""
    lines = [logged(index * 60 / count, f"service-{index % 9}", f"tick_{index}") for index in range(count)]
    return [*lines, happened(60.0, "test", "failed", "call", message="late")]


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


def test_everything_can_be_reached_by_tab_and_has_a_name(timeline: Timeline) -> None:
    timeline.open(STORY)
    nameless = """() => {
        const named = (each) => each.getAttribute("aria-label") || each.textContent.trim() || each.closest("label");
        const active = "button, input, summary, canvas[tabindex], [role=listbox], [role=separator]";
        const all = [...document.querySelectorAll(active)].filter((each) => each.checkVisibility());
        return all.filter((each) => !named(each)).map((each) => each.outerHTML);
    }"""
    assert timeline.page.evaluate(nameless) == []
    reached = set()
    for _ in range(40):
        timeline.page.keyboard.press("Tab")
        reached.add(timeline.page.evaluate("document.activeElement.id"))
    assert {"search", "zoom-in", "zoom-out", "zoom-all", "drawing", "divider", "list", "details"} <= reached


def test_search_counts_its_hits_and_steps_through_them(timeline: Timeline) -> None:
    timeline.open(STORY)
    timeline.page.keyboard.press("/")
    timeline.page.keyboard.type("BREAD")
    expect(timeline.id("hits")).to_have_text("5 of 5")  # the failure, which is chosen, is the last one
    expect(timeline.page.locator("#list mark").first).to_have_text("bread")
    timeline.page.keyboard.press("Enter")  # around the end
    expect(timeline.id("hits")).to_have_text("1 of 5")
    expect(timeline.chosen).to_have_attribute("data-number", "0")
    timeline.page.keyboard.press("Enter")
    expect(timeline.chosen).to_have_attribute("data-number", str(REQUEST))
    timeline.page.keyboard.press("Shift+Enter")
    timeline.page.keyboard.press("Shift+Enter")
    expect(timeline.chosen).to_have_attribute("data-number", str(FAILURE))
    expect(timeline.id("hits")).to_have_text("5 of 5")
    timeline.id("search").fill("rye bread")
    expect(timeline.id("hits")).to_have_text("0 hits")
    expect(timeline.id("next-hit")).to_be_disabled()


def test_a_hit_outside_the_window_is_brought_into_it(timeline: Timeline) -> None:
    timeline.open(crowd(500))
    expect(timeline.chosen).to_have_count(1)
    timeline.drag("service-8", 1.0, 4.0)
    expect(timeline.id("status")).not_to_contain_text("501 of 501")
    timeline.id("search").fill("tick_400")
    expect(timeline.id("hits")).to_have_text("1 hit")
    timeline.id("next-hit").click()
    expect(timeline.chosen).to_contain_text("tick_400")
    assert timeline.window[0] < 48.0 < timeline.window[1]
    assert timeline.window[1] - timeline.window[0] == pytest.approx(3.0, abs=0.2)


def test_filters_hide_lanes_kinds_and_levels(timeline: Timeline) -> None:
    timeline.open(STORY)
    timeline.id("lanes-menu").locator("summary").click()
    timeline.id("lanes-menu").get_by_label("oven", exact=False).first.uncheck()
    expect(timeline.id("status")).to_contain_text("18 of 24 events")
    expect(timeline.page.locator("#labels li")).to_have_count(5)
    assert "oven" not in timeline.lanes
    timeline.id("lanes-menu").get_by_role("button", name="all", exact=True).click()
    expect(timeline.id("status")).to_contain_text("24 of 24 events")
    timeline.page.keyboard.press("Escape")
    timeline.id("kinds-menu").locator("summary").click()
    timeline.id("kinds-menu").get_by_role("button", name="Only request").click()
    expect(timeline.rows).to_have_count(2)
    expect(timeline.id("kinds-menu").locator("summary")).to_have_text("Kinds 1/17")
    timeline.id("kinds-menu").get_by_role("button", name="all", exact=True).click()
    timeline.page.keyboard.press("Escape")
    timeline.id("levels-menu").locator("summary").click()
    timeline.id("levels-menu").get_by_role("checkbox", name="INFO").uncheck()
    timeline.id("levels-menu").get_by_role("checkbox", name="WARNING").uncheck()
    expect(timeline.id("status")).to_contain_text("22 of 24 events")  # what has no level stays
    timeline.id("search").fill("order_taken")
    expect(timeline.id("hits")).to_have_text("0 hits")


def test_a_lane_is_hidden_from_its_label(timeline: Timeline) -> None:
    timeline.open(STORY)
    timeline.page.get_by_role("button", name="Hide lane mail").focus()
    timeline.page.keyboard.press("Enter")
    expect(timeline.page.locator("#labels li")).to_have_count(5)
    assert "mail" not in timeline.lanes


def test_the_address_names_an_event(timeline: Timeline) -> None:
    timeline.open(STORY, at=f"#e{RESPONSE}")
    expect(timeline.chosen).to_have_attribute("data-number", str(RESPONSE))
    timeline.row(3).click()
    expect(timeline.page).to_have_url(f"{timeline.address}#e3")
    timeline.page.evaluate("location.hash = '#e7'")
    expect(timeline.chosen).to_contain_text("rye")
    timeline.page.keyboard.press("Escape")
    expect(timeline.page).to_have_url(timeline.address)


@pytest.mark.parametrize("at", ["#e24", "#e-1", "#nonsense", "#e"])
def test_an_address_of_nothing_shows_the_failure(timeline: Timeline, at: str) -> None:
    timeline.open(STORY, at=at)
    expect(timeline.chosen).to_have_attribute("data-number", str(FAILURE))


EVIL = [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "<!--<script>window.owned = 1",
    '<img src="x" onerror="window.owned = 1">',
    "\"'><svg onload=window.owned=1>",
    "{{script}}",
    "\u2028window.owned = 1",
]


@pytest.mark.parametrize("evil", EVIL)
def test_what_an_event_says_is_text(timeline: Timeline, evil: str) -> None:
    record = {"event": evil, evil: evil, "level": evil}
    events = [
        happened(0.1, evil, evil, evil, level=evil, request_id=evil, **{evil: evil}),
        happened(0.2, evil, "log", json.dumps(record), level=evil, request_id=evil),
        happened(0.3, "test", "failed", evil, message=evil),
    ]
    lines = [*(json.dumps(each) for each in events), evil]
    timeline.open("\n".join(lines).encode(), title=evil, at="#e0")
    expect(timeline.chosen).to_have_count(1)
    words = evil.strip("\u2028")
    for place in (
        "title",
        "failure",
        "problems",
        "labels",
        "list",
        "details",
        "lanes-menu",
        "kinds-menu",
        "levels-menu",
    ):
        assert words in (timeline.id(place).text_content() or ""), place
    x, y = timeline.place("test", 0.3)
    timeline.id("drawing").hover(position={"x": x, "y": y})
    expect(timeline.id("tip")).to_contain_text(words)
    timeline.id("search").fill(words)
    expect(timeline.page.locator("#list mark").first).to_be_visible()
    assert timeline.page.evaluate("window.owned") is None
    assert timeline.page.evaluate("[document.scripts.length, document.images.length]") == [2, 0]
    assert timeline.page.locator("main svg, main script, main style").count() == 0


def test_lines_that_are_no_events_are_named(timeline: Timeline) -> None:
    half = json.dumps(happened(0.9, "oven", "ready"))[:20]
    timeline.open(f"{json.dumps(STORY[0])}\n{half}".encode())
    summary = timeline.page.locator("#problems summary")
    expect(summary).to_have_text("1 line of the timeline could not be read")
    summary.click()
    expect(timeline.id("problems")).to_contain_text("line 2: not JSON")
    expect(timeline.id("problems")).to_contain_text(half)
    expect(timeline.rows).to_have_count(1)


def test_twenty_thousand_events_stay_usable(timeline: Timeline) -> None:
    timeline.open(crowd(20_000))
    expect(timeline.id("status")).to_have_text("20,001 of 20,001 events, 0.0000 to 60.0000 s")
    expect(timeline.chosen).to_contain_text("failed")
    assert timeline.elements < 1000
    timeline.id("list").focus()
    timeline.page.keyboard.press("Home")
    expect(timeline.chosen).to_contain_text("tick_0")
    timeline.page.keyboard.press("PageDown")
    expect(timeline.chosen).to_be_in_viewport()
    timeline.id("search").fill("tick_1999")
    expect(timeline.id("hits")).to_have_text("11 hits")
    timeline.page.keyboard.press("Enter")
    timeline.page.keyboard.press("Enter")
    expect(timeline.chosen).to_contain_text("tick_19990")
    timeline.drag("service-0", 10.0, 10.5)
    expect(timeline.id("status")).to_contain_text(" of 20,001 events, 10.")
    expect(timeline.rows.first).to_contain_text("tick_33")
    assert timeline.elements < 1000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_light_or_dark_as_the_person_prefers_and_can_be_read(timeline: Timeline, scheme: str) -> None:
    timeline.open(STORY)
    expect(timeline.chosen).to_have_count(1)
    brightness = sum(timeline.colour("surface")) / 3
    assert brightness < 60 if scheme == "dark" else brightness > 220
    assert timeline.colour("error") in timeline.colours("mail", 0.7)
    roles = [f"role-{name}" for name in ("test", "client", "process", "store", "stub", "network")]
    for name in ("text", "muted", "error", "warning", "accent", *roles):
        for ground in ("surface", "page"):
            assert contrast(timeline.colour(name), timeline.colour(ground)) >= 4.5, (name, ground)


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast ratio of two colours (WCAG 2.2, 1.4.3)."""

    def luminance(colour: tuple[int, int, int]) -> float:
        parts = (part / 255 for part in colour)
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_a_change_of_mind_about_dark_and_light_is_followed(timeline: Timeline) -> None:
    timeline.open(STORY)
    expect(timeline.chosen).to_have_count(1)
    light = timeline.colours("mail", 0.7)
    timeline.page.emulate_media(color_scheme="dark")
    timeline.page.wait_for_function("() => matchMedia('(prefers-color-scheme: dark)').matches")
    timeline.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    assert timeline.colour("error") in timeline.colours("mail", 0.7)
    assert timeline.colours("mail", 0.7) != light


def test_it_fits_a_small_screen(timeline: Timeline) -> None:
    timeline.open(crowd(2000))
    expect(timeline.chosen).to_be_in_viewport()
    for size in ((1280, 800), (1024, 640)):
        timeline.page.set_viewport_size({"width": size[0], "height": size[1]})
        expect(timeline.id("list")).to_be_in_viewport()
        expect(timeline.id("details")).to_be_in_viewport()
        over = "document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight"
        assert timeline.page.evaluate(over) is False


def test_the_lane_of_what_is_chosen_is_scrolled_to(timeline: Timeline) -> None:
    lanes = [happened(index / 100, f"service-{index}", "ready") for index in range(40)]
    timeline.open([*lanes, happened(0.5, "test", "failed", "call", message="late")])
    label = timeline.page.locator("#labels li", has_text="service-39")
    expect(label).not_to_be_in_viewport()
    timeline.row(39).click()
    expect(label).to_be_in_viewport()
    expect(timeline.id("axis")).to_be_in_viewport()


def test_the_divider_is_moved_by_mouse_and_keys(timeline: Timeline) -> None:
    timeline.open(crowd(50))
    expect(timeline.chosen).to_have_count(1)

    def height() -> float:
        box = timeline.id("picture").bounding_box()
        assert box is not None
        return box["height"]

    before = height()
    timeline.id("divider").focus()
    timeline.page.keyboard.press("ArrowUp")
    assert height() == pytest.approx(before - 20, abs=1)
    timeline.id("divider").hover()
    timeline.page.mouse.down()
    timeline.page.mouse.move(600, 300)
    timeline.page.mouse.up()
    assert height() != pytest.approx(before - 20, abs=5)
