"""What changed in a checkout since a commit, and when."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from seatrial.tier import Lane

_A_DAY_AGO: Final = "24 hours ago"
_UPSTREAM: Final = "main@{upstream}"
_DEEPEN: Final = "fetch the whole history: `git fetch --unshallow`, or `fetch-depth: 0` in a workflow"


class ChangesFault(Exception):
    """It cannot be told what changed; names the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The files of a checkout that are other than they were, those that git does not know yet included."""

    since: str
    """What they are compared with, for a person."""
    files: Mapping[PurePosixPath, float]
    """Each file that is there, relative to the root, with the Unix time of its last change in seconds."""


def since(root: Path, ref: str | None, lane: Lane) -> Changes:
    """The changes since the commit at which this branch left `ref`.

    Without a `ref`: on a machine of continuous integration since the newest commit on the branch that is older than 24 hours;
    elsewhere since the branch left the upstream of main, and where main has none, 24 hours as well.

    Raises ChangesFault.
    """
    base, name = _named(root, ref) if ref is not None else _default(root, lane)
    names = _git(
        root, "diff", "--name-only", "-z", "--no-renames", "--relative", "--diff-filter=d", base, "--"
    )
    uncommitted = {
        *_git(root, "diff", "--name-only", "-z", "--no-renames", "--relative", "HEAD", "--").split("\0"),
        *(unknown := _git(root, "ls-files", "-z", "--others", "--exclude-standard").split("\0")),
    }
    committed = _commit_times(root, base)
    files = {}
    for each in filter(None, {*names.split("\0"), *unknown}):
        path = root / each
        if path.is_file():
            changed = path.stat().st_mtime if each in uncommitted else committed.get(each, 0.0)
            files[PurePosixPath(each)] = changed
    return Changes(name, files)


def _named(root: Path, ref: str) -> tuple[str, str]:
    commit = _commit(root, ref)
    if commit is None:
        remedy = (
            _DEEPEN
            if _is_shallow(root)
            else "name a commit, branch or tag that is here; `git fetch` gets more"
        )
        raise ChangesFault(f"--since {ref}: there is no such commit ({remedy})")
    fork = _try(root, "merge-base", commit, "HEAD")
    if fork is None:
        remedy = (
            _DEEPEN if _is_shallow(root) else "name a commit of this branch, or of one that it was made from"
        )
        raise ChangesFault(f"--since {ref}: has no commit in common with what is checked out ({remedy})")
    return fork, ref


def _default(root: Path, lane: Lane) -> tuple[str, str]:
    if lane is Lane.LOCAL:
        upstream = _commit(root, _UPSTREAM)
        fork = _try(root, "merge-base", upstream, "HEAD") if upstream else None
        if fork:
            return fork, f"{fork[:12]}, where this left the upstream of main"
    # Of main itself: what was merged since then counts, however long ago it was written
    commit = _git(root, "rev-list", "-1", "--first-parent", f"--before={_A_DAY_AGO}", "HEAD").strip()
    if commit:
        return commit, f"{commit[:12]}, the newest commit that is older than 24 hours"
    if _is_shallow(root):
        raise ChangesFault(f"no commit here is older than 24 hours ({_DEEPEN})")
    return _git(root, "hash-object", "-t", "tree", "--stdin").strip(), "the first commit"


def _commit_times(root: Path, base: str) -> dict[str, float]:
    """When each file was last committed, of those that were since `base`."""
    reach = f"{base}..HEAD" if _commit(root, base) else "HEAD"
    options = ("--format=%x00%ct", "--name-only", "--no-renames", "--relative")
    times: dict[str, float] = {}
    for record in _git(root, "-c", "core.quotePath=off", "log", *options, reach, "--").split("\0")[1:]:
        when, *names = record.split("\n")
        for name in names:
            times.setdefault(name, float(when))
    return times


def _commit(root: Path, name: str) -> str | None:
    return _try(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")


def _is_shallow(root: Path) -> bool:
    return _try(root, "rev-parse", "--is-shallow-repository") == "true"


def _try(root: Path, *arguments: str) -> str | None:
    done = _run(root, arguments)
    return done.stdout.strip() if done.returncode == 0 else None


def _git(root: Path, *arguments: str) -> str:
    done = _run(root, arguments)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"git ended with {done.returncode}"]
        raise ChangesFault(f"{root}: {said[-1]} (name the modules, or --all)")
    return done.stdout


def _run(root: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except OSError as error:
        raise ChangesFault(f"git: {error.strerror} (install it, name the modules, or --all)") from None
