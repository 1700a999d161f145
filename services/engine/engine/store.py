"""The state's file: whole or as it was, never in between."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from engine.model import Game, Record

FILE: Final = "game.json"
FORMAT: Final = 1
_TEMPORARY: Final = f".{FILE}.new"


class StateUnwritable(Exception):
    """The state cannot be written: the disk is full, or the directory is forbidden. What is there is whole."""


class StateUnreadable(Exception):
    """The state is there, but cannot be read just now."""


class StateCorrupt(Exception):
    """The state's file is not one that this engine wrote."""


class _Envelope(Record, frozen=True):
    """The file: one line of JSON. `sha256` is of the bytes of `game` as they stand there."""

    format: int
    sha256: str
    game: msgspec.Raw


class Store:
    """The directory that holds one game."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / FILE
        self._temporary = directory / _TEMPORARY

    def read(self) -> Game | None:
        """The game, None when there is none yet. Raises StateUnreadable and StateCorrupt."""
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateUnreadable(f"{self._file}: {error.strerror}; let the engine's user read it") from None
        remedy = "restore it from a copy, or remove it to begin anew"
        try:
            envelope = msgspec.json.decode(content, type=_Envelope)
            if envelope.format != FORMAT:
                raise StateCorrupt(
                    f"{self._file}: format {envelope.format} is not {FORMAT}; use the engine that wrote it"
                )
            if hashlib.sha256(envelope.game).hexdigest() != envelope.sha256:
                raise StateCorrupt(f"{self._file}: its content is not what was written; {remedy}")
            return msgspec.json.decode(envelope.game, type=Game)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StateCorrupt(f"{self._file}: {error}; {remedy}") from None

    def write(self, game: Game) -> None:
        """Replaces the state, and returns when it is on the disk.

        Raises StateUnwritable; then the file is still the old one, or the new one if only its last sync failed.
        """
        encoded = msgspec.json.encode(game)
        digest = hashlib.sha256(encoded).hexdigest()
        content = msgspec.json.encode(_Envelope(format=FORMAT, sha256=digest, game=msgspec.Raw(encoded)))
        try:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            _write_through(self._temporary, content)
            os.replace(self._temporary, self._file)
            _sync_directory(self._directory)
        except OSError as error:
            with suppress(OSError):
                self._temporary.unlink()
            raise StateUnwritable(f"{self._directory}: {error.strerror}") from None

    def check(self) -> None:
        """Raises StateUnwritable when a write would fail for want of permission."""
        place = self._directory
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise StateUnwritable(f"{self._directory}: not writable; let the engine's user write there")


def _write_through(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        written = 0
        while written < len(content):  # a nearly full disk takes a part, and fails at the next call
            written += os.write(descriptor, content[written:])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    # The new name is on the disk only when the directory is (fsync(2)).
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
