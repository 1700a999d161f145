"""Target: the labels that say whose a container is: what decides what is swept away."""

from seatrial.containers.ownership import Maker, Run

from targets.inputs import text


def check(data: bytes) -> bool:
    """A label names a run, or a worker, to the letter; nothing else names anything."""
    given = text(data)
    if given is None:
        return False
    run, worker = Run.parse(given), Maker.parse(given)
    assert run is None or str(run) == given
    assert worker is None or str(worker) == given
    assert run is None or worker is None
    return run is not None or worker is not None
