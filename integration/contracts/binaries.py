"""The binaries of this repository's services, built from their sources as they are released: as wheels."""

from typing import Final

from contracts.paths import SERVICES
from seatrial import PythonBinary

_LATE: Final = ("servicekit.app", "encodings.idna", "uvicorn.lifespan.off")
"""What every service imports after its start, so that its log and its collector are set up before."""


def service_binary(name: str, *preload: str) -> PythonBinary:
    """The binary of the service in `services/<name>`, with the versions of `requirements/<name>.txt`.

    A warm boot finds `<name>.service`, what servicekit imports late, and the modules `preload` imported.
    """
    return PythonBinary(
        name=name,
        source=SERVICES / name,
        libraries=(SERVICES / "servicekit",),
        lock=SERVICES.parent / "requirements" / f"{name}.txt",
        script=name,
        preload=(f"{name}.service", *_LATE, *preload),
    )
