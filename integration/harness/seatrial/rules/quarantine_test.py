"""A test in quarantine runs and may fail until its day; an entry that is over, stale or wrong is red."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from seatrial.conftest import Inner, InnerRun
from seatrial.rules import quarantine
from seatrial.rules.quarantine import MAX_DAYS, QuarantineError

NewInner = Callable[[str], Inner]

TODAY = date(2030, 6, 1)
ENTRY = """
[[quarantined]]
test = "suites/a_test.py::test_a"
reason = "the clock"
link = "https://tracker.test/7"
until = 2030-06-30
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "a_test.py").touch()
    path = tmp_path / quarantine.FILE_NAME
    path.write_text(ENTRY)
    return path


def test_an_entry_is_read(file: Path) -> None:
    (entry,) = quarantine.load(file, today=TODAY).entries
    assert (entry.test, str(entry.file)) == ("suites/a_test.py::test_a", "suites/a_test.py")
    assert str(entry) == "quarantined until 2030-06-30: the clock (https://tracker.test/7)"
    assert [entry.over(date(2030, 6, 30)), entry.over(date(2030, 7, 1))] == [False, True]


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_without_entries_or_a_file_nothing_is_quarantined(file: Path, text: str | None) -> None:
    file.unlink() if text is None else file.write_text(text)
    assert quarantine.load(file).of("suites/a_test.py::test_a") is None


@pytest.mark.parametrize(
    ("test", "covered", "not_covered"),
    [
        ("::test_a", ["::test_a", "::test_a[1]"], ["::test_ab", "::TestA::test_a"]),
        ("::test_a[1]", ["::test_a[1]"], ["::test_a", "::test_a[11]", "::test_a[2]"]),
        ("::TestA", ["::TestA::test_b", "::TestA::test_a[1]"], ["::TestAB::test_b"]),
        ("", ["::test_a", "::TestA::test_b[1]"], ["x::test_a"]),
    ],
)
def test_an_entry_covers_its_test_its_cases_its_class_or_its_module(
    file: Path, test: str, covered: list[str], not_covered: list[str]
) -> None:
    module = "suites/a_test.py"
    file.write_text(ENTRY.replace("::test_a", test))
    quarantines = quarantine.load(file, today=TODAY)
    assert [name for name in covered if quarantines.of(module + name) is None] == []
    assert [name for name in not_covered if quarantines.of(module + name) is not None] == []


def test_the_narrowest_entry_counts(file: Path) -> None:
    file.write_text(ENTRY + ENTRY.replace("::test_a", "").replace("clock", "network"))
    quarantines = quarantine.load(file, today=TODAY)
    found = [quarantines.of(f"suites/a_test.py::{name}") for name in ("test_a", "test_b")]
    assert [entry and entry.reason for entry in found] == ["the clock", "the network"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('reason = "the clock"\n', "", "quarantined[0] 'suites/a_test.py::test_a'.reason: missing (write"),
        ('"the clock"', '" "', ".reason: not a text (write reason"),
        ('link = "https://tracker.test/7"\n', "", ".link: missing (write link"),
        ("https://tracker.test/7", "a friend", ".link: 'a friend' is no address (write link"),
        ("until = 2030-06-30\n", "", ".until: missing (write until = 2030-12-31"),
        ("2030-06-30", '"2030-06-30"', ".until: '2030-06-30' is not a day (write until"),
        ("2030-06-30", "2030-06-30T10:00:00Z", "is not a day"),
        ("2030-06-30", "2030-07-02", ".until: 2030-07-02 is more than 30 days ahead (write 2030-07-01 or an"),
        ("2030-06-30", "2030-06-31", "(write it in TOML, as UTF-8)"),
        ('test = "suites/a_test.py::test_a"\n', "", "quarantined[0].test: missing (write test"),
        ("suites/a_test.py::test_a", "test_a", "'test_a'.test: is no node id (write test"),
        ("suites/a_test.py", "../a_test.py", ".test: is no node id (write test"),
        ("a_test.py", "b_test.py", ".test: there is no suites/b_test.py (correct it, or remove the entry)"),
        ("until", "issue = 3\nuntil", ".issue: unknown key (known: test, reason, link, until)"),
        ("[[quarantined]]", "[[quarantine]]", "quarantine: unknown key (known: quarantined)"),
        ("[[quarantined]]", "[quarantined]", "quarantined: not an array of tables (write [["),
        (ENTRY, ENTRY * 2, "quarantined[1] 'suites/a_test.py::test_a'.test: has an entry already (write one"),
    ],
)
def test_what_is_wrong_is_named_with_file_entry_reason_and_remedy(
    file: Path, old: str, new: str, said: str
) -> None:
    assert old in ENTRY
    file.write_text(ENTRY.replace(old, new))
    with pytest.raises(QuarantineError) as caught:
        quarantine.load(file, today=TODAY)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    file.unlink()
    file.mkdir()
    with pytest.raises(QuarantineError, match=r"quarantine\.toml: Is a directory \(make it a file"):
        quarantine.load(file)


TESTS = """
import pytest

def test_steady(): ...

def test_flaky():
    raise AssertionError("flaked")

@pytest.fixture
def bad_end():
    yield
    raise AssertionError("ended badly")

def test_flaky_at_its_end(bad_end): ...

def test_mended(): ...

class TestSome:
    @pytest.mark.parametrize("n", [1, 2])
    def test_of_a_class(self, n):
        assert n != 1

def test_broken():
    raise AssertionError("broken")
"""


def entry(test: str, *, days: int = MAX_DAYS - 1, module: str = "inner_test.py") -> str:
    """An entry whose last day is so many days from now; one less than the most that is allowed: midnight may come between."""
    until = datetime.now(UTC).date() + timedelta(days=days)
    return (
        f'[[quarantined]]\ntest = "{module}{test}"\nreason = "the tide"\n'
        f'link = "https://tracker.test/2"\nuntil = {until}\n'
    )


@pytest.fixture(scope="module")
def ran(new_inner: NewInner) -> InnerRun:
    inner = new_inner(TESTS)
    names = ("::test_flaky", "::test_flaky_at_its_end", "::test_mended", "::TestSome::test_of_a_class[1]")
    inner.write(quarantine.FILE_NAME, "".join(map(entry, names)))
    return inner.run()


def test_a_quarantined_failure_is_kept_but_not_held_against_the_run(ran: InnerRun) -> None:
    assert ran.result.counts.quarantined == 3
    failure = ran.failure("::test_flaky")
    assert "flaked" in failure.message
    assert (ran.artifacts("::test_flaky") / "REPRO.txt").is_file()
    assert "ended badly" in ran.failure("test_flaky_at_its_end").message


def test_other_failures_are_red(ran: InnerRun) -> None:
    assert (ran.status, ran.result.state, ran.result.counts.failed) == (1, "failed", 1)
    assert ran.passed == {"test_steady", "test_mended", "test_of_a_class[2]"}


def test_a_run_is_green_without_them(new_inner: NewInner) -> None:
    inner = new_inner(TESTS.replace('AssertionError("broken")', "SystemError"))
    inner.write(quarantine.FILE_NAME, entry(""))
    run = inner.run()
    assert (run.status, run.result.state, run.result.counts.quarantined) == (0, "passed", 4)


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_one_that_passes_is_reported_beside_those_that_fail(
    new_inner: NewInner, workers: tuple[str, ...], tmp_path: Path
) -> None:
    inner = new_inner(TESTS)
    inner.write(quarantine.FILE_NAME, entry("::test_flaky") + entry("::test_mended"))
    page = tmp_path / "page.md"
    run = inner.run(*workers, plugins=["xdist.plugin"], variables={"GITHUB_STEP_SUMMARY": str(page)})
    for text in (run.output, page.read_text()):
        assert "failed inner_test.py::test_flaky: quarantined until " in text
        assert "passed inner_test.py::test_mended: quarantined until " in text
        assert "(https://tracker.test/2); if it is mended, remove its entry\n" in text
        assert "test_steady: quarantined" not in text


def test_one_that_is_over_is_red_where_it_is_collected(new_inner: NewInner) -> None:
    inner = new_inner(TESTS)
    inner.write("other_test.py", "def test_other(): ...\n")
    inner.write(quarantine.FILE_NAME, entry("::test_mended", days=-1))
    run = inner.run("--continue-on-collection-errors")
    failure = run.failure("inner_test.py")
    assert (run.status != 0, failure.when) == (True, "collect")
    assert "inner_test.py::test_mended: its quarantine ended on 20" in failure.message
    assert "the tide (https://tracker.test/2) (fix the test and remove its entry from" in failure.message
    assert run.passed == {"test_other"}


def test_one_may_fail_on_its_last_day(new_inner: NewInner) -> None:
    inner = new_inner(TESTS)
    inner.write(quarantine.FILE_NAME, entry("", days=1))
    assert inner.run().status == 0


@pytest.mark.parametrize(
    "test", ["::test_gone", "::TestGone", "::TestSome::test_gone", "::TestSome::test_of_a_class[3]"]
)
def test_one_whose_test_is_gone_is_red_where_its_module_is_collected(new_inner: NewInner, test: str) -> None:
    inner = new_inner(TESTS.replace("def test_broken", "def test_too_flaky"))
    inner.write("other_test.py", "def test_other(): ...\n")
    inner.write(quarantine.FILE_NAME, entry(test))
    run = inner.run()
    failures = [failure.message for failure in run.result.failures]
    assert run.status != 0
    assert failures == [
        f"inner_test.py{test}: quarantine.toml names it, and there is no such test (correct the entry, or remove it)"
    ]
    assert inner.run("other_test.py").status == 0


def test_a_file_that_is_wrong_is_one_line(new_inner: NewInner) -> None:
    inner = new_inner(TESTS)
    inner.write(quarantine.FILE_NAME, entry("", days=MAX_DAYS + 2))
    run = inner.run()
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "quarantined[0] 'inner_test.py'.until: " in run.output
    assert "more than 30 days ahead" in run.output
    assert "Traceback" not in run.output


def test_another_file_can_be_named(new_inner: NewInner) -> None:
    inner = new_inner(TESTS)
    inner.write("flaky.toml", entry(""))
    assert inner.run("-o", "seatrial_quarantine=flaky.toml").status == 0
    assert inner.run().status == 1
