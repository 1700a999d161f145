"""ContainerImage: a container image built once per content, as `PythonBinary` is an environment built once per content.

What goes into an image is described by parts. A `Files` part is hashed as it lies there; a `Made` part says by a digest of its
own what it would be, and is made only when an image is built. So an image that was built before costs a hash of the
sources and one question to the engine.

The hash is the image's tag. Such images are a cache that runs share: no sweep removes them, the newest few of a name and those
in use are kept. The files in the context have fixed times, owners and permissions: the checkout's do not matter.
"""

import functools
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from seatrial.builds.buildcache import cache_directory, claimed, locked
from seatrial.builds.progress import progress
from seatrial.builds.sources import read_tree
from seatrial.containers import builder
from seatrial.containers.engine import Engine, EngineError

FORMAT: Final = 1
"""Version of the way contexts are made; part of every content hash."""
CONTENT_LABEL: Final = "seatrial.content"
"""The label of an image that names its content hash; only images that bear it are ever pruned."""
KEPT: Final = 3
"""How many images of one name stay besides those in use."""
_NAME: Final = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")


class ImageError(EngineError):
    """An image cannot be built."""


@dataclass(frozen=True, slots=True)
class Files:
    """A file or a directory as it is, at `target` in the context (a path; "." puts a directory's content at the root).

    `excluded` holds file name patterns; caches and bytecode are never part of a directory.
    """

    source: Path
    target: str = "."
    excluded: tuple[str, ...] = ()

    def content(self) -> bytes:
        """A digest of it; raises `ImageError` when it is not there."""
        digest = hashlib.sha256()
        for path, (data, mode) in sorted(self._read().items()):
            digest.update(f"{path}\0{mode:o}\0{len(data)}\0".encode("utf-8", "surrogateescape"))
            digest.update(data)
        return digest.digest()

    def stage(self, context: Path) -> None:
        """Write it into a context."""
        for path, (data, mode) in self._read().items():
            target = context / self.target / path if path else context / self.target
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(mode)

    def _read(self) -> Mapping[str, tuple[bytes, int]]:
        if self.source.is_dir():
            return read_tree(self.source.resolve(), self.excluded)
        try:
            mode = 0o755 if self.source.stat().st_mode & 0o100 else 0o644
            target = self.source.name if self.target in ("", ".") else ""
            return {target: (self.source.read_bytes(), mode)}
        except OSError as error:
            raise ImageError(
                f"{self.source} cannot go into an image: {error.strerror}; correct its path"
            ) from None


@dataclass(frozen=True, slots=True)
class Made:
    """Something that is made for a build: `make` fills the empty directory that it is given, at `target` in the context.

    `digest` says what it would make, cheaply: the same text means the same content.
    """

    digest: Callable[[], str]
    make: Callable[[Path], object]
    target: str = "."

    def content(self) -> bytes:
        """Its digest."""
        return self.digest().encode()

    def stage(self, context: Path) -> None:
        """Make it in a context."""
        directory = context / self.target
        directory.mkdir(parents=True, exist_ok=True)
        self.make(directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerImage:
    """An image, and all that it is made from.

    `name`        its repository: `seatrial/lobby`; the tag is the content hash;
    `dockerfile`  its Dockerfile, part of the content;
    `parts`       what the build context holds beside it;
    `base`        what its build argument `BASE_IMAGE` is set to: another image, built first, or a reference. The base's
                  image id is part of the content, so that another image under the same name is another content;
    `arguments`   further build arguments;
    `labels`      labels of the image;
    `target`      the stage to build, of a Dockerfile with several;
    `platform`    as in `linux/amd64`; without it, the engine's own.
    """

    name: str
    dockerfile: Path
    parts: tuple[Files | Made, ...] = ()
    base: "ContainerImage | str | None" = None
    arguments: Mapping[str, str] = field(default_factory=dict, hash=False)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    target: str | None = None
    platform: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ImageError(
                f"image {self.name!r}: a name has lower case letters, digits, and . _ - / between them; rename it"
            )

    def reference(self) -> str:
        """`name:hash` of the built image; builds it when its content was never built. Resolved once in a process.

        Raises `ImageError` when it cannot be built, and `EngineError` when there is no engine.
        """
        return _resolve_once(self)

    def resolve(self) -> str:
        """As `reference`, without the memory of earlier calls in this process."""
        started = time.monotonic()
        engine = Engine.current()
        base = self._base_reference(engine)
        parts = [part.content() for part in self.parts]
        content = self._digest(engine, base, parts)
        reference = f"{self.name}:{content}"
        place = self._place(engine, content)
        while True:
            with locked(place, shared=True) as lease:
                if engine.image_id(reference) is not None:
                    lease.keep()
                    return reference
            with locked(place, shared=False, waiting=f"{self.name}: another process is building it"):
                # Someone else may have built it while this process waited for the lock.
                if engine.image_id(reference) is None:
                    self._build(engine, reference, base, parts, place)
                    progress.say(f"{reference}: built in {time.monotonic() - started:.1f} s")
            self._prune(engine, place.parent, besides=reference)
            # Back to the top: the exclusive lock was given up, and only a shared one may be kept.

    def digest(self) -> str:
        """The content hash that is the image's tag, 16 hexadecimal digits; the base is built, or pulled, to know it."""
        engine = Engine.current()
        return self._digest(engine, self._base_reference(engine), [part.content() for part in self.parts])

    def _base_reference(self, engine: Engine) -> str | None:
        if not isinstance(self.base, str):
            return self.base.reference() if self.base is not None else None
        if engine.image_id(self.base) is None:
            progress.say(f"{self.name}: pulling its base {self.base}")
            try:
                engine.pull(self.base)
            except EngineError as error:
                raise ImageError(f"image {self.name}: its base {self.base} cannot be had: {error}") from None
        return self.base

    def _digest(self, engine: Engine, base: str | None, parts: Sequence[bytes]) -> str:
        facts = [
            FORMAT,
            self.name,
            engine.image_id(base) if base is not None else None,
            sorted(self.arguments.items()),
            sorted(self.labels.items()),
            [self.target, self.platform],
            [part.target for part in self.parts],
        ]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for content in (self._dockerfile(), *parts):
            digest.update(len(content).to_bytes(8, "big"))
            digest.update(content)
        return digest.hexdigest()[:16]

    def _dockerfile(self) -> bytes:
        try:
            return self.dockerfile.read_bytes()
        except OSError as error:
            raise ImageError(
                f"image {self.name}: its Dockerfile {self.dockerfile} cannot be read: {error.strerror}; correct its path"
            ) from None

    def _place(self, engine: Engine, content: str) -> Path:
        """What stands for the image in the cache of builds: its locks, its log. Engines do not share images."""
        directory = cache_directory(self.dockerfile) / "images" / engine.identity
        directory.mkdir(parents=True, exist_ok=True)
        return directory / f"{self.name.replace('/', '+')}-{content}"

    def _build(
        self, engine: Engine, reference: str, base: str | None, parts: Sequence[bytes], place: Path
    ) -> None:
        progress.say(f"{reference}: building")
        for before, part in zip(parts, self.parts, strict=True):
            if isinstance(part, Files) and part.content() != before:
                raise ImageError(
                    f"image {self.name}: {part.source} changed while it was about to be built; run again"
                )
        plan = builder.Build(
            reference=reference,
            dockerfile=self._dockerfile(),
            arguments={**self.arguments, **({"BASE_IMAGE": base} if base is not None else {})},
            labels={**self.labels, CONTENT_LABEL: reference.rpartition(":")[2]},
            target=self.target,
            platform=self.platform,
            log=place.with_name(place.name + ".log"),
        )
        try:
            builder.build(engine, plan, [part.stage for part in self.parts])
        except builder.BuildFailed as failed:
            raise ImageError(str(failed)) from None

    def _prune(self, engine: Engine, directory: Path, *, besides: str) -> None:
        """Remove the oldest images of this name, never one that a process or a container uses."""
        images = [each for each in engine.images(self.name, CONTENT_LABEL) if each.reference != besides]
        for image in sorted(images, key=lambda each: each.created, reverse=True)[KEPT - 1 :]:
            content = image.reference.rpartition(":")[2]
            path = directory / f"{self.name.replace('/', '+')}-{content}"
            with claimed(path) as free:
                if free and engine.remove_image(image.reference):
                    path.with_name(path.name + ".log").unlink(missing_ok=True)


@functools.cache
def _resolve_once(image: ContainerImage) -> str:
    return image.resolve()
