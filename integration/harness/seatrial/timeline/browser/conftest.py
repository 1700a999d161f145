"""A real browser that opens timelines: offline, from a file, with every complaint and every request of the page on record."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from seatrial.rules import browser as browsers
from seatrial.timeline import page as pages

Record = dict[str, Any]
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZE = {"width": 1280, "height": 800}
PATIENCE_MS = 30_000
"""For what a page shows at once, on a machine that is busy."""
ROW_PX = 18
PAD_PX = 5


def happened(at_s: float, source: str, event: str, detail: str = "", **fields: object) -> Record:
    """An event, as a line of a timeline has it."""
    return {
        "at_s": at_s,
        "source": source,
        "event": event,
        **({"detail": detail} if detail else {}),
        **fields,
    }


class Timeline:
    """A page that shows a timeline, as a person sees and uses it."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self._file = folder / "timeline.html"
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(error.message))
        page.on("request", lambda request: self.requests.append(request.url))

    @property
    def address(self) -> str:
        """Where the page lies."""
        return self._file.as_uri()

    def open(
        self, events: Sequence[Record] | bytes, *, title: str = "suite/shop_test.py::test_bread", at: str = ""
    ) -> None:
        """Render events, or the bytes of a file of them, and open the page."""
        lines = self._file.with_suffix(".jsonl")
        if isinstance(events, bytes):
            lines.write_bytes(events)
        else:
            lines.write_text("".join(json.dumps(each) + "\n" for each in events))
        pages.write(lines, self._file, title=title)
        self.page.goto(f"{self.address}{at}")

    def id(self, name: str) -> Locator:
        """The element of an id."""
        return self.page.locator(f"#{name}")

    @property
    def rows(self) -> Locator:
        """The rows of the list that are in the page."""
        return self.page.get_by_role("option")

    def row(self, number: int) -> Locator:
        """The row of an event."""
        return self.page.locator(f'#list [data-number="{number}"]')

    @property
    def chosen(self) -> Locator:
        """The row that is chosen."""
        return self.page.get_by_role("option", selected=True)

    @property
    def lanes(self) -> list[str]:
        """The names of the lanes that are drawn, from above."""
        return self.page.locator("#labels .name").all_inner_texts()

    @property
    def window(self) -> tuple[float, float]:
        """The times that the drawing shows."""
        shown = self.id("drawing")
        return float(shown.get_attribute("data-from") or ""), float(shown.get_attribute("data-to") or "")

    def place(self, lane: str, at_s: float, row: int = 0) -> tuple[float, float]:
        """Where a time is drawn in a lane, in pixels of the drawing."""
        box = self.id("drawing").bounding_box()
        label = self.page.locator("#labels li", has=self.page.get_by_text(lane, exact=True)).bounding_box()
        assert box is not None
        assert label is not None
        from_s, to_s = self.window
        x = (at_s - from_s) / (to_s - from_s) * box["width"]
        return x, label["y"] - box["y"] + PAD_PX + (row + 0.5) * ROW_PX

    def click(self, lane: str, at_s: float, row: int = 0) -> None:
        """Click into the drawing."""
        x, y = self.place(lane, at_s, row)
        self.id("drawing").click(position={"x": x, "y": y})

    def drag(self, lane: str, from_s: float, to_s: float, *, key: str | None = None) -> None:
        """Drag through the drawing from one time to another, with a key held."""
        box = self.id("drawing").bounding_box()
        assert box is not None
        (left, y), (right, _) = self.place(lane, from_s), self.place(lane, to_s)
        if key:
            self.page.keyboard.down(key)
        self.page.mouse.move(box["x"] + left, box["y"] + y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + (left + right) / 2, box["y"] + y)
        self.page.mouse.move(box["x"] + right, box["y"] + y)
        self.page.mouse.up()
        if key:
            self.page.keyboard.up(key)

    def colours(self, lane: str, at_s: float, row: int = 0) -> set[tuple[int, int, int]]:
        """The colours that are drawn around a time in a lane, without what is nearly transparent."""
        pixels = self.pixels(lane, at_s, row)
        return {(red, green, blue) for red, green, blue, alpha in pixels if alpha > 200}

    def pixels(self, lane: str, at_s: float, row: int = 0) -> list[tuple[int, int, int, int]]:
        """Red, green, blue and alpha of the 9 x 9 pixels around a time in a lane."""
        x, y = self.place(lane, at_s, row)
        found = self.page.evaluate(
            """([x, y]) => {
                const copy = new OffscreenCanvas(9, 9).getContext("2d", { willReadFrequently: true });
                copy.drawImage(document.getElementById("drawing"), x - 4, y - 4, 9, 9, 0, 0, 9, 9);
                return [...copy.getImageData(0, 0, 9, 9).data];
            }""",
            [round(x), round(y)],
        )
        return list(zip(found[0::4], found[1::4], found[2::4], found[3::4], strict=True))

    def colour(self, name: str) -> tuple[int, int, int]:
        """A colour of the page's style, by the name of its variable."""
        text = self.page.evaluate(
            "(name) => getComputedStyle(document.documentElement).getPropertyValue(name)", f"--{name}"
        )
        red, green, blue = bytes.fromhex(text.strip().removeprefix("#"))
        return red, green, blue

    @property
    def elements(self) -> int:
        """How many elements the page has."""
        return int(self.page.evaluate("document.querySelectorAll('*').length"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The machine's browser, with nothing of its user's: one for all tests of a worker."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=browsers.find(), headless=True, args=flags)
        yield browser
        browser.close()


Scheme = Literal["light", "dark"]


@pytest.fixture
def scheme() -> Scheme:
    """What the person prefers."""
    return "light"


@pytest.fixture
def timeline(chromium: Browser, scheme: Scheme) -> Iterator[Timeline]:
    """A new page in a context of its own, without a network; it must not complain, nor ask for anything but its file."""
    with (
        tempfile.TemporaryDirectory(prefix="seatrial-page-") as folder,
        chromium.new_context(viewport=SIZE, color_scheme=scheme, offline=True) as context,  # type: ignore[arg-type]
    ):
        shown = Timeline(context.new_page(), Path(folder))
        yield shown
        assert shown.complaints == []
        assert {each.partition("#")[0] for each in shown.requests} <= {shown.address}
