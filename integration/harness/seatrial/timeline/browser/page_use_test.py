"""The page of a timeline in a real browser: searching, filtering, linking, and what it bears."""

import json

import pytest
from playwright.sync_api import expect

from seatrial.timeline.browser.conftest import Timeline, happened
from seatrial.timeline.browser.story import FAILURE, REQUEST, RESPONSE, STORY, crowd

pytestmark = pytest.mark.requires("browser")


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
