"""What changed since a commit: named, a day ago, or where main's upstream was left; and what is no such commit."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from house.flakes.changes import Changes, ChangesFault, since
from house.flakes.conftest import NOW, Repository
from seatrial.tier import Lane


def names(changes: Changes) -> list[str]:
    """The changed files, the last changed first."""
    return [str(file) for file in sorted(changes.files, key=lambda file: -changes.files[file])]


def test_files_that_were_committed_changed_or_added_since_a_commit(repository: Repository) -> None:
    first = repository.commit("old.py", "touched.py", "gone.py", hours=50)
    repository.commit("suite/ä b.py", hours=40)
    repository.commit("newer.py", hours=30)
    repository.write("touched.py", "x = 1\n")
    repository.write("unknown.py")
    repository.write(".gitignore", "ignored.py\n")
    repository.write("ignored.py")
    (repository.root / "gone.py").unlink()
    changes = since(repository.root, first, Lane.CI)
    assert names(changes)[-2:] == ["newer.py", "suite/ä b.py"]
    assert set(names(changes)[:-2]) == {"touched.py", "unknown.py", ".gitignore"}
    assert changes.files[PurePosixPath("newer.py")] == (NOW - timedelta(hours=30)).timestamp()
    assert changes.since == first


def test_what_others_did_since_is_no_change_of_this_branch(repository: Repository) -> None:
    repository.commit("a.py")
    repository.git("switch", "--quiet", "--create", "mine")
    repository.commit("mine.py")
    repository.git("switch", "--quiet", "main")
    repository.commit("theirs.py")
    repository.git("switch", "--quiet", "mine")
    assert names(since(repository.root, "main", Lane.CI)) == ["mine.py"]


def test_a_file_that_was_put_back_has_not_changed(repository: Repository) -> None:
    first = repository.commit("a.py", hours=3)
    repository.commit("a.py", hours=2, text="x = 1\n")
    repository.commit("a.py", hours=1)
    assert names(since(repository.root, first, Lane.CI)) == []


def test_by_night_the_last_day_counts_whenever_it_was_written(repository: Repository) -> None:
    base = repository.commit("a.py", hours=72)
    repository.git("switch", "--quiet", "--create", "long")
    repository.commit("long.py", hours=48)
    repository.git("switch", "--quiet", "main")
    yesterday = repository.commit("yesterday.py", hours=25)
    repository.git("merge", "--quiet", "--no-ff", "--message", "x", "long", hours=5)
    repository.commit("today.py", hours=2)
    changes = since(repository.root, None, Lane.CI)
    assert names(changes) == ["today.py", "long.py"]
    assert changes.since == f"{yesterday[:12]}, the newest commit that is older than 24 hours"
    assert set(names(since(repository.root, base, Lane.CI))) == {"today.py", "long.py", "yesterday.py"}


def test_all_is_new_where_nothing_is_older_than_a_day(repository: Repository) -> None:
    repository.commit("a.py", hours=5)
    changes = since(repository.root, None, Lane.CI)
    assert (names(changes), changes.since) == (["a.py"], "the first commit")


@pytest.fixture
def clone(repository: Repository, tmp_path: Path) -> Callable[..., Repository]:
    """Makes clones of the repository."""

    def make(*options: str) -> Repository:
        copy = Repository(tmp_path / "clone")
        (copy.root / ".git").rename(tmp_path / "unused")
        repository.git("clone", "--quiet", *options, f"file://{repository.root}", str(copy.root))
        return copy

    return make


def test_on_a_persons_machine_what_is_not_upstream_counts(
    repository: Repository, clone: Callable[..., Repository]
) -> None:
    repository.commit("a.py", hours=72)
    repository.commit("b.py", hours=2)
    copy = clone()
    copy.commit("mine.py", hours=1)
    repository.commit("theirs.py")
    copy.git("fetch", "--quiet")
    changes = since(copy.root, None, Lane.LOCAL)
    assert names(changes) == ["mine.py"]
    assert changes.since.endswith("where this left the upstream of main")
    assert names(since(copy.root, None, Lane.CI)) == ["mine.py", "b.py"]


def test_without_an_upstream_a_person_gets_the_last_day(repository: Repository) -> None:
    repository.commit("a.py", hours=72)
    repository.commit("b.py", hours=2)
    assert names(since(repository.root, None, Lane.LOCAL)) == ["b.py"]


@pytest.mark.parametrize("ref", ["nowhere", "--all", "HEAD~9", ""])
def test_a_commit_that_is_not_there_is_named(repository: Repository, ref: str) -> None:
    repository.commit("a.py")
    with pytest.raises(ChangesFault, match=r"--since .*: there is no such commit \(name a commit, branch"):
        since(repository.root, ref, Lane.CI)


def test_a_history_that_was_not_fetched_is_told(
    repository: Repository, clone: Callable[..., Repository]
) -> None:
    old = repository.commit("a.py", hours=72)
    repository.commit("b.py", hours=2)
    copy = clone("--depth=1")
    for ref in (None, old):
        with pytest.raises(ChangesFault, match=r"`git fetch --unshallow`, or `fetch-depth: 0` in a workflow"):
            since(copy.root, ref, Lane.CI)


def test_a_history_of_its_own_has_no_common_commit(repository: Repository) -> None:
    repository.commit("a.py")
    repository.git("switch", "--quiet", "--orphan", "other")
    repository.commit("b.py")
    with pytest.raises(ChangesFault, match="--since main: has no commit in common with what is checked out"):
        since(repository.root, "main", Lane.CI)


def test_without_a_repository_or_a_commit_the_reason_and_the_way_out_are_told(
    repository: Repository, tmp_path: Path
) -> None:
    for root in (repository.root, tmp_path):
        with pytest.raises(ChangesFault, match=r"\(name the modules, or --all\)"):
            since(root, None, Lane.CI)
