"""PostgreSQL's programs: found, checked, and brought where the server's user can reach them."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import seatrial
from seatrial.stores import postgres_install as install
from seatrial.stores.postgres_place import Account
from seatrial.stores.store import StoreError

NOBODY = Account(65534, 65534)
RUN = """
import ctypes, json, os, sys
from pathlib import Path
from seatrial.processes.supervisor import Supervisor
from seatrial.stores.postgres_server import PostgresServer

def use():
    with PostgresServer(Supervisor.current().temporary_directory("log", "run")) as server:
        database = server.database()
        database.execute("CREATE TABLE a (n int)")
        rows, owner = database.value("SELECT count(*) FROM a"), os.stat(server.place.data).st_uid
        command = server.process.service.binary.command()
    assert (rows, server.problems()) == (0, ())
    return owner, command

told = [use()]
if sys.argv[1] == "ordinary" and os.geteuid() == 0:
    # All is imported: the interpreter itself may be out of reach for an ordinary user.
    for directory, folders, names in os.walk(Supervisor.current().directory):
        for name in (".", *folders, *names):
            os.chown(os.path.join(directory, name), 65534, 65534)
    os.environ["SEATRIAL_CACHE"] += "-of-an-ordinary-user"
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    PR_SET_DUMPABLE = 4
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    told.append(use())
print(json.dumps(told), flush=True)
os._exit(0)  # an ordinary user cannot end root's warden, which cleans up now
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everybody may enter, as those of pytest are not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o777)
        yield Path(name)


def run_server(folder: Path, *, then_ordinary: bool = False, **variables: str) -> list[tuple[int, list[str]]]:
    """Start a server in a process of its own, and once more as an ordinary user: who owns its data, and its command."""
    packages = [str(Path(seatrial.__file__).parents[1]), *filter(None, sys.path)]
    ran = subprocess.run(
        [sys.executable, "-c", RUN, "ordinary" if then_ordinary else "as we are"],
        cwd=folder,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(packages),
            "SEATRIAL_CACHE": str(folder / "cache"),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return [(owner, command) for owner, command in json.loads(ran.stdout)]


def test_roots_server_is_run_by_nobody_and_an_ordinary_user_runs_his_own(folder: Path) -> None:
    (owner, command), *(ordinary) = run_server(folder, then_ordinary=True)
    assert owner == (os.geteuid() or 65534)
    assert ("--reuid" in command) is (os.geteuid() == 0)
    assert len(ordinary) == (os.geteuid() == 0)
    for user, words in ordinary:
        assert user == 65534
        assert "--reuid" not in words


def test_programs_that_the_server_may_not_enter_are_copied_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a home directory that is its owner's alone: for root's server that is out of reach, for others' their own."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    origin = install.bin_directory().parent
    libraries = origin.parent.with_name(f"{origin.parent.name}.libs")
    shutil.copytree(libraries, home / libraries.name)
    for part in ("bin", "lib", "share"):
        shutil.copytree(origin / part, home / origin.parent.name / "pg" / part, symlinks=True)
    programs = home / origin.parent.name / "pg" / "bin"
    ((owner, command),) = run_server(folder, PG_BIN=str(programs))
    if os.geteuid() != 0:
        assert owner == os.geteuid()
        assert str(home) in command[-1]
        return
    assert owner != 0
    assert command[-1].startswith(str(folder / "cache"))
    (copy,) = (folder / "cache").glob("postgres-install-*[0-9a-f]")
    before = copy.stat().st_mtime_ns
    monkeypatch.setenv("PG_BIN", str(programs))
    monkeypatch.setenv("SEATRIAL_CACHE", str(folder / "cache"))
    assert install.reachable(NOBODY).bin == Path(command[-1]).parent
    assert copy.stat().st_mtime_ns == before
    install._within_reach.cache_clear()
    # Where the cache is as closed as the home, a directory of root's own takes its place.
    monkeypatch.setattr(install, "_SHARED_CACHE", folder / "shared")
    monkeypatch.setenv("SEATRIAL_CACHE", str(home / "cache"))
    assert install.reachable(NOBODY).bin.is_relative_to(folder / "shared")


def test_a_cache_that_another_may_write_to_is_not_trusted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "_SHARED_CACHE", folder)
    with pytest.raises(StoreError, match="belongs to root alone; remove it"):
        install._shared_cache()


def test_programs_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    found = install.installation()
    assert found.major >= install.OLDEST
    assert found.program("initdb").is_file()
    monkeypatch.setenv("PG_BIN", str(found.bin))
    assert install.installation() == found


def make(folder: Path, postgres: str | None, initdb: bool = True) -> None:
    for name, text in (("postgres", postgres), ("initdb", "exit 0" if initdb else None)):
        if text is not None:
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("postgres", "initdb", "reason"),
    [
        (None, True, "it has no postgres"),
        ("exit 0", False, "it has no initdb"),
        ("echo broken >&2; exit 127", True, "ended with status 127 and said: broken"),
        ("echo MySQL", True, "ended with status 0 and said: MySQL"),
        ("echo 'postgres (PostgreSQL) 9.6.24'", True, "it is PostgreSQL 9.6.24, and 15 is the oldest"),
    ],
)
def test_a_directory_that_is_wrong_is_named_with_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str | None, initdb: bool, reason: str
) -> None:
    make(tmp_path, postgres, initdb)
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(StoreError) as caught:
        install.installation()
    assert str(caught.value).startswith(f"PG_BIN={tmp_path}: ")
    assert reason in str(caught.value)
    assert "pg_config --bindir" in str(caught.value)


def test_a_directory_that_is_none_and_a_program_that_may_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path / "none"))
    with pytest.raises(StoreError, match="no such directory"):
        install.installation()
    make(tmp_path, "exit 0")
    (tmp_path / "initdb").chmod(0o644)
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(StoreError, match="initdb in it is not executable"):
        install.installation()


def test_without_any_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    monkeypatch.setattr(install, "find_spec", lambda _: None)
    with pytest.raises(StoreError, match=r"install seatrial\[postgres\], or name .* in PG_BIN"):
        install.installation()


def test_what_a_program_says_when_it_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PG_BIN", raising=False)
    with pytest.raises(StoreError, match="initdb ended with status 1: .*no data directory specified"):
        install.installation().run(NOBODY if os.geteuid() == 0 else None, "initdb", cwd=Path("/"))
