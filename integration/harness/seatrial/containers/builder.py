"""One build of an image: its context as a reproducible archive, the engine's words in a log, the last of them in an error.

The build goes through the engine's own API, which every engine has, whether or not BuildKit or its client is installed.
"""

import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from seatrial.builds.progress import progress
from seatrial.containers.wire import EngineError
from seatrial.errors import indented, shortened

if TYPE_CHECKING:
    from seatrial.containers.engine import Engine

EPOCH: Final = 315532800
"""The time of every file in a context: 1980-01-01, the earliest that a wheel can hold."""
_DOCKERFILE: Final = ".seatrial.Dockerfile"
_LAST_LINES: Final = 25
_STEP: Final = re.compile(r"Step (\d+/\d+) : (RUN .*)")
"""Only commands take long enough to be told."""


class BuildFailed(Exception):
    """A build ended without an image; the text is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What is built: `log` gets everything that the engine says."""

    reference: str
    dockerfile: bytes
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    target: str | None
    platform: str | None
    log: Path


def build(engine: "Engine", plan: Build, stages: Sequence[Callable[[Path], object]]) -> None:
    """Make the context by `stages`, and the image from it; raises `BuildFailed`."""
    with (
        tempfile.TemporaryDirectory(prefix="seatrial-context-") as directory,
        tempfile.TemporaryFile() as file,
    ):
        context = Path(directory)
        for stage in stages:
            stage(context)
        archive(context, plan.dockerfile, file)
        shutil.rmtree(context)
        context.mkdir()  # it may hold much, and the build takes long
        file.seek(0)
        with plan.log.open("w", encoding="utf-8") as log:
            try:
                _run(engine, plan, file, log)
            except BuildFailed as failed:
                log.flush()
                tail = "\n".join(plan.log.read_text(encoding="utf-8").splitlines()[-_LAST_LINES:])
                raise BuildFailed(
                    f"image {plan.reference} cannot be built: {failed}\nthe end of {plan.log}:\n{indented(tail)}"
                ) from None


def _run(engine: "Engine", plan: Build, context: IO[bytes], log: IO[str]) -> None:
    error = None
    try:
        for line in _lines(engine, plan, context):
            if "stream" in line:
                log.write(line["stream"])
                if step := _STEP.match(line["stream"]):
                    progress.say(f"{plan.reference}: step {step[1]}: {shortened(step[2], 80)}")
            elif "status" in line and "id" not in line:
                log.write(f"{line['status']}\n")
            if "error" in line:
                error = str(line["error"]).strip()
                log.write(f"{error}\n")
    except EngineError as failed:
        # It was lost, or refuses the whole request: an error in the Dockerfile's syntax comes so.
        log.write(f"{failed}\n")
        raise BuildFailed(str(failed)) from None
    if error is not None:
        raise BuildFailed(error)
    if engine.image_id(plan.reference) is None:
        raise BuildFailed("the engine reported no error, but has no such image")


def _lines(engine: "Engine", plan: Build, context: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    with engine.translated(f"building {plan.reference}"):
        yield from engine.api.build(
            fileobj=context,
            custom_context=True,
            dockerfile=_DOCKERFILE,
            tag=plan.reference,
            buildargs=dict(plan.arguments),
            labels=dict(plan.labels),
            target=plan.target or "",
            rm=True,
            forcerm=True,
            decode=True,
            platform=plan.platform,
        )


def archive(directory: Path, dockerfile: bytes, file: IO[bytes]) -> None:
    """Write a directory as a tar file that depends on names, content and the executable bit alone."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(_walk(directory)):
            path = directory / name
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                tar.addfile(_member(name, tarfile.DIRTYPE, 0o755))
            elif stat.S_ISLNK(mode):
                link = _member(name, tarfile.SYMTYPE, 0o777)
                link.linkname = os.readlink(path)
                tar.addfile(link)
            elif stat.S_ISREG(mode):
                with path.open("rb") as content:
                    _add(
                        tar,
                        name,
                        0o755 if mode & 0o100 else 0o644,
                        os.fstat(content.fileno()).st_size,
                        content,
                    )
        _add(tar, _DOCKERFILE, 0o644, len(dockerfile), io.BytesIO(dockerfile))


def _walk(directory: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            yield os.path.relpath(os.path.join(folder, name), directory)


def _add(tar: tarfile.TarFile, name: str, mode: int, size: int, content: IO[bytes]) -> None:
    member = _member(name, tarfile.REGTYPE, mode)
    member.size = size
    tar.addfile(member, content)


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    its = tarfile.TarInfo(name)
    its.type, its.mode, its.mtime = kind, mode, EPOCH
    return its
