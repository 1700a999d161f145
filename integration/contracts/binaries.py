"""The binaries of this repository's services, built from their sources as they are released: as wheels."""

from contracts.paths import SERVICES
from seatrial import PythonBinary


def service_binary(name: str) -> PythonBinary:
    """The binary of the service in `services/<name>`, with the versions of `requirements/<name>.txt`."""
    return PythonBinary(
        name=name,
        source=SERVICES / name,
        libraries=(SERVICES / "servicekit",),
        lock=SERVICES.parent / "requirements" / f"{name}.txt",
        script=name,
    )
