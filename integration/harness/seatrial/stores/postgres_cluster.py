"""A new PostgreSQL cluster: initdb runs once for each content, every server gets a copy of what it made."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.builds.buildcache import COMPLETE, cache_directory, locked, prune, touch
from seatrial.builds.progress import progress
from seatrial.stores.postgres_install import Installation
from seatrial.stores.postgres_place import Place

ADMIN: Final = "seatrial"
"""The harness' own role, a superuser. No test and no service is given it on a server that tests share."""
SERVICE: Final = "service"
"""The role of services and tests: it owns its databases and may do nothing else, as a careful operator would have it."""
_NAME: Final = "postgres-cluster"
_SECRETS: Final = "secrets.json"
# Whoever else is on this machine shall not become a superuser here, who can run programs: hence passwords, on the socket too.
_ACCESS: Final = "local all all scram-sha-256\nhost all all all scram-sha-256\n"
_FORMAT: Final = "1"
"""Part of the key; another one when what is done to a new cluster changes."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the two roles."""

    admin: str
    service: str


def _arguments(install: Installation) -> Sequence[str]:
    # A character type that is the same on every machine, and no sort order but that of code points.
    locale: Sequence[str] = ("--no-locale",)
    if install.major >= 17:
        locale = ("--locale-provider=builtin", "--locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C")
    return (
        *("--username", ADMIN, "--encoding=UTF8", *locale, "--text-search-config=english", "--auth=trust"),
        *(
            "--no-sync",
            "--no-instructions",
            "--wal-segsize=1",
        ),  # the smallest: a cluster is copied for each server
    )


def make(install: Installation, place: Place) -> Passwords:
    """Put a new cluster into `place.data`, and say how it is entered. Raises `StoreError`."""
    cache = cache_directory(Path.cwd() / "postgres")
    arguments = _arguments(install)
    recipe = "\0".join((_FORMAT, install.key, _ACCESS, *arguments))
    made = cache / f"{_NAME}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    with locked(made, shared=True):
        if (made / COMPLETE).exists():
            touch(made)
            return _take(made, place)
    with locked(made, shared=False, waiting="waiting for another run that makes a PostgreSQL cluster"):
        if not (made / COMPLETE).exists():
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(mode=0o700)
            progress.say(f"making a PostgreSQL {install.version} cluster, once")
            passwords = _initialise(install, arguments, place)
            (made / _SECRETS).touch(mode=0o600)
            (made / _SECRETS).write_text(json.dumps([passwords.admin, passwords.service]), encoding="ascii")
            shutil.copytree(place.data, made / "data")
            (made / COMPLETE).touch()
            shutil.rmtree(place.data)
        taken = _take(made, place)
    prune(cache, _NAME)
    return taken


def _initialise(install: Installation, arguments: Sequence[str], place: Place) -> Passwords:
    # initdb is started in the place: whoever buries that finds it.
    install.run(place.account, "initdb", *arguments, "--pgdata", str(place.data), cwd=place.path)
    passwords = Passwords(secrets.token_hex(16), secrets.token_hex(16))
    roles = (
        f"ALTER ROLE {ADMIN} PASSWORD '{passwords.admin}'",
        f"CREATE ROLE {SERVICE} LOGIN PASSWORD '{passwords.service}'",
    )
    # One iteration: it slows down whoever stole the hash of a password, and every connection.
    quick = ("-c", "scram_iterations=1") if install.major >= 16 else ()
    single = ("--single", "-D", str(place.data), "-c", "fsync=off", *quick, "postgres")
    install.run(
        place.account, "postgres", *single, cwd=place.path, input="".join(f"{role}\n" for role in roles)
    )
    access = place.data / "pg_hba.conf"
    access.write_text(_ACCESS, encoding="ascii")
    place.give(access)
    return passwords


def _take(made: Path, place: Place) -> Passwords:
    admin, service = json.loads((made / _SECRETS).read_text(encoding="ascii"))
    shutil.copytree(made / "data", place.data, copy_function=shutil.copyfile)
    for directory, folders, names in os.walk(place.data):
        os.chmod(directory, 0o700)
        for name in (*folders, *names):
            place.give(Path(directory, name))
    place.give(place.data)
    return Passwords(admin, service)
