from pathlib import Path

import pytest

from seatrial.rules import browser, capability

CHROMIUM = "#!/bin/sh\necho 'Chromium 156.0.1 built on Debian'\n"
SIGNPOST = "#!/bin/sh\necho 'needs the chromium snap' >&2\nexit 1\n"


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing in it, and no answer of an earlier probe."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setattr(capability, "_answers", {})
    return path


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_first_one_that_works_is_taken(path: Path) -> None:
    program(path / "chromium-browser", SIGNPOST)
    chrome = program(path / "google-chrome", CHROMIUM.replace("Chromium", "Google Chrome"))
    program(path / "chrome", CHROMIUM)
    assert browser.find() == chrome


def test_the_variable_names_another_one(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(path / "chromium", CHROMIUM)
    mine = program(tmp_path / "mine", CHROMIUM)
    monkeypatch.setenv(browser.VARIABLE, str(mine))
    assert browser.find() == mine


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SIGNPOST, "chromium --version` exited with 1: needs the chromium snap"),
        ("#!/bin/sh\nexit 3\n", "exited with 3: no output"),
        ("#!/bin/sh\necho Firefox 1\n", "is no Chromium or Chrome: its version is 'Firefox 1'"),
        ("no program at all", "cannot be executed: Exec format error"),
    ],
)
def test_what_is_no_browser_is_named_with_what_it_said(path: Path, text: str, reason: str) -> None:
    program(path / "chromium", text)
    with pytest.raises(browser.NoBrowser) as caught:
        browser.find()
    assert reason in str(caught.value)


def test_a_program_that_hangs_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "_ANSWER_S", 0.2)
    program(path / "chromium", "#!/bin/sh\nkill -STOP $$\n")
    with pytest.raises(browser.NoBrowser, match=r"did not end within 0\.2 s"):
        browser.find()


def test_a_machine_without_one_lacks_the_capability_and_hears_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absence = capability.probe("browser")
    assert absence is not None
    assert absence.reason == f"none of {', '.join(browser.PROGRAMS)} is in PATH"
    assert "chromium" in absence.remedy
    assert browser.VARIABLE in absence.remedy
    monkeypatch.setattr(capability, "_answers", {})
    monkeypatch.setenv(browser.VARIABLE, "/nowhere/chromium")
    absence = capability.probe("browser")
    assert absence is not None
    assert absence.reason == f"{browser.VARIABLE}=/nowhere/chromium is no program"
    monkeypatch.setattr(capability, "_answers", {})
    monkeypatch.delenv(browser.VARIABLE)
    program(path / "chromium", CHROMIUM)
    assert capability.probe("browser") is None
