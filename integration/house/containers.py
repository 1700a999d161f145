"""What a tier with containers needs before its tests: an engine, and the images that a service's own suite starts."""

import subprocess
import sys
from pathlib import Path
from typing import Final

CAPABILITY: Final = "docker"
"""A tier that has it needs an engine."""

_SUITE_IMAGES: Final = {
    "RTMANAGER_SUITE_POSTGRES_IMAGE": "postgres",
    "RTMANAGER_SUITE_REDIS_IMAGE": "redis",
    "RTMANAGER_SUITE_ENGINE_IMAGE": "engine-1.4.0",
}
"""rtmanager's suite lives beside the service and knows nothing of integration/: it is told what to start."""

_ANY_IMAGE: Final = {"SEATRIAL_TEST_IMAGE": "base"}
"""The harness' own tests take any image that has a shell and Python."""


class ContainerFault(Exception):
    """No engine, or no image; the program that said why has written it already."""


def start_engine(root: Path) -> None:
    """Make sure that a container engine answers, and start one where that is allowed. Raises ContainerFault."""
    if subprocess.run([root / "docker" / "engine", "up"], check=False).returncode:
        raise ContainerFault("no container engine can be used here: see above")


def suite_images(root: Path, python: Path) -> dict[str, str]:
    """The variables that name images for those who cannot build them. Raises ContainerFault.

    Every image is built, if need be: no test pays for a build with its time limit.

    `python` is the interpreter of the suites' environment.
    """
    ran = subprocess.run(
        [python, "-m", "contracts.images", "--plain"],
        cwd=root / "integration",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ContainerFault("the images cannot be built: see above")
    sys.stdout.write(ran.stdout)
    references = dict(line.split() for line in ran.stdout.splitlines())
    return {variable: references[name] for variable, name in {**_SUITE_IMAGES, **_ANY_IMAGE}.items()}
