"""What the gate's own tests share: git repositories, made for a test."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

NOW: Final = datetime.now(UTC).replace(microsecond=0)


class Repository:
    """A git repository whose commits are as old as the test says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, hours: float = 0) -> str:
        """What git prints when it is called at that many hours ago."""
        when = (NOW - timedelta(hours=hours)).isoformat()
        nobody = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "t"), ("EMAIL", "t@example.test"), ("DATE", when))
        }
        return subprocess.run(
            ["git", "-C", self.root, *arguments],
            env={**os.environ, **nobody, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def write(self, name: str, text: str = "") -> None:
        """Put a file into the working tree."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"# {name}\n")

    def commit(self, *names: str, hours: float = 0, text: str = "") -> str:
        """Commit files that many hours ago; the commit's id."""
        for name in names:
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x", hours=hours)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty one."""
    return Repository(tmp_path / "repository")
