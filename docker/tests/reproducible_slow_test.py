"""The same inputs give the same layers: images built twice from nothing, at different times."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from contracts import images
from seatrial.containers import builder
from seatrial.containers.engine import Engine
from seatrial.containers.image import ContainerImage

pytestmark = pytest.mark.requires("docker")


def docker(*words: str, given: IO[bytes] | None = None) -> str:
    """Runs the docker client."""
    ran = subprocess.run(["docker", *words], stdin=given, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def layers(image: ContainerImage, tag: str) -> list[str]:
    """The layers of a build that takes nothing from the cache."""
    assert isinstance(image.base, str)
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile() as file:
        context = Path(place)
        for part in image.parts:
            part.stage(context)
        builder.archive(context, image.dockerfile.read_bytes(), file)
        file.seek(0)
        words = ["build", "--no-cache", "--force-rm", "--quiet", "--file", ".seatrial.Dockerfile"]
        for name, value in {**image.arguments, "BASE_IMAGE": image.base}.items():
            words += ["--build-arg", f"{name}={value}"]
        docker(*words, "--tag", tag, "-", given=file)
    try:
        found: list[str] = json.loads(docker("image", "inspect", tag))[0]["RootFS"]["Layers"]
        return found
    finally:
        docker("image", "rm", tag)


@pytest.mark.parametrize(
    "described", [images.engine_image, images.postgres_image, images.redis_image, images.externals_image]
)
def test_two_builds_have_the_same_layers(described: Callable[[], ContainerImage]) -> None:
    tags = [f"seatrial-reproducible:{Engine.current().owner.tag(f'1.0.{number}')}" for number in (1, 2)]
    one, other = (layers(described(), tag) for tag in tags)
    assert one == other
    assert len(one) > 2
