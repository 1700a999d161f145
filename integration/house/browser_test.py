"""A browser on demand, on a machine whose apt is played by a script: nothing is installed, nothing is fetched."""

import os
import threading
from pathlib import Path

import pytest

from house import browser
from seatrial.rules import browser as browsers

CHROMIUM = "#!/bin/sh\necho 'Chromium 156.0.1 built on Debian'\n"
APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
    *install*) {install} ;;
    *) echo 'E: a repository did not answer'; exit 100 ;;
esac
"""


class Machine:
    """A PATH that holds what a test puts there, and a root directory."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.programs = folder / "bin"
        self.log = folder / "apt.log"
        for directory in (self.root, self.programs):
            directory.mkdir()

    def program(self, name: str, text: str) -> Path:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def apt(self, install: str) -> None:
        self.program("apt-get", APT.format(log=self.log, install=install))

    def apt_brings(self, program: str) -> None:
        text = program.replace("\n", "\\n").replace("'", "")
        self.apt(f"printf '{text}' > {self.programs}/chromium; /bin/chmod 755 {self.programs}/chromium")

    @property
    def asked(self) -> list[str]:
        """What apt was asked for, without its options."""
        if not self.log.exists():
            return []
        return [line.rpartition("Timeout=30 ")[2] for line in self.log.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.programs))
    monkeypatch.delenv(browsers.VARIABLE, raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return machine


def test_one_that_works_is_used_and_nothing_is_installed(machine: Machine) -> None:
    machine.apt("exit 1")
    chrome = machine.program("google-chrome", CHROMIUM)
    assert browser.find_or_install(machine.root) == chrome
    assert machine.asked == []


def test_root_gets_one_although_a_repository_did_not_answer(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.apt_brings(CHROMIUM)
    assert browser.find_or_install(machine.root) == machine.programs / "chromium"
    assert machine.asked == ["update", "install --yes --no-install-recommends chromium"]
    assert "installing chromium" in capfd.readouterr().err


def test_many_at_the_same_time_install_one(machine: Machine) -> None:
    machine.apt_brings(CHROMIUM)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(browser.find_or_install(machine.root))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [machine.programs / "chromium"] * 4
    assert len(machine.asked) == 2


def test_an_install_that_fails_is_told_in_the_words_of_apt(machine: Machine) -> None:
    machine.apt("echo 'E: Package chromium has no installation candidate'; exit 100")
    with pytest.raises(browser.BrowserFault) as caught:
        browser.find_or_install(machine.root)
    told = str(caught.value)
    assert "`apt-get install chromium` ended with 100" in told
    assert told.endswith("E: Package chromium has no installation candidate")
    assert browsers.VARIABLE in told


def test_a_package_that_brings_only_a_signpost_is_told(machine: Machine) -> None:
    machine.apt_brings("#!/bin/sh\necho needs the snap\nexit 1\n")
    with pytest.raises(
        browser.BrowserFault, match="brought no browser that works: .*needs the snap; install"
    ):
        browser.find_or_install(machine.root)


def test_another_user_is_told_what_root_would_do(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.apt_brings(CHROMIUM)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        browser.BrowserFault, match="only root can install one: run `sudo apt-get install chromium`"
    ):
        browser.find_or_install(machine.root)
    assert machine.asked == []


def test_a_system_without_apt_is_told_to_do_it_by_hand(machine: Machine) -> None:
    with pytest.raises(
        browser.BrowserFault, match=r"is in PATH, and there is no apt here; install .* SEATRIAL_BROWSER"
    ):
        browser.find_or_install(machine.root)


def test_a_browser_that_was_named_wrongly_is_never_replaced(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.apt_brings(CHROMIUM)
    monkeypatch.setenv(browsers.VARIABLE, "/nowhere/chromium")
    with pytest.raises(browser.BrowserFault, match="correct SEATRIAL_BROWSER, or unset it"):
        browser.find_or_install(machine.root)
    assert machine.asked == []
