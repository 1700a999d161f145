"""Sweeping: removing from an engine what one process, or what dead runs of this machine, made there, and nothing else.

It uses the standard library alone. `main` is what the warden of a killed process starts; see `Engine.watch_over`.
"""

import contextlib
import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

from seatrial.containers.ownership import RUN_LABEL, Maker, Owner, Run, owner_of_tag, run_of, worker_of
from seatrial.containers.wire import EngineError, EngineUnreachable, NotThere, Place, Wire

Kind = Literal["container", "network", "volume", "image tag"]
_AT_ONCE: Final = 8
_LISTINGS: Final = 5
_PATIENCE_S: Final = 20.0
_QUIET_S: Final = 0.5
"""How long nothing new may show up before a sweep after a killed process ends: the engine may still be making things."""
_PAUSE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Thing:
    """Something in an engine: `id` is how the engine knows it, `name` how people do."""

    kind: Kind
    id: str
    name: str
    labels: Mapping[str, str]

    @property
    def run(self) -> Run | None:
        """Whose run it says it is of."""
        if self.kind == "image tag":
            owner = owner_of_tag(self.name)
            return owner.run if owner is not None else None
        return run_of(self.labels)

    @property
    def worker(self) -> Maker | None:
        """Which process of the run made it."""
        if self.kind == "image tag":
            owner = owner_of_tag(self.name)
            return owner.worker if owner is not None else None
        return worker_of(self.labels)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def things(wire: Wire, label: str | None = None, *, tags: bool = True) -> Iterator[Thing]:
    """Everything in an engine that bears a label, as `key` or `key=value`, and (with `tags`) every image tag."""
    labelled = {"filters": {"label": [label]}} if label is not None else {}
    for each in _listed(wire, "/containers/json", all=1, **labelled):
        name = (each["Names"] or [each["Id"][:12]])[0].removeprefix("/")
        yield Thing("container", each["Id"], name, each["Labels"] or {})
    for each in _listed(wire, "/networks", **labelled):
        yield Thing("network", each["Id"], each["Name"], each["Labels"] or {})
    for each in _listed(wire, "/volumes", **labelled)["Volumes"] or ():
        yield Thing("volume", each["Name"], each["Name"], each["Labels"] or {})
    if tags:
        for each in _listed(wire, "/images/json"):
            for reference in each["RepoTags"] or ():
                yield Thing("image tag", reference, reference, {})


def _listed(wire: Wire, path: str, **query: Any) -> Any:
    """A list of the engine's. It answers 404 when something vanishes while it makes the list: then it is asked again."""
    for _ in range(_LISTINGS - 1):
        with contextlib.suppress(NotThere):
            return wire.ask("GET", path, **query).json()
    return wire.ask("GET", path, **query).json()


def of(owner: Owner, wire: Wire, *, tags: bool = True) -> list[Thing]:
    """What a process made, or had made in its name."""
    found = things(wire, f"{RUN_LABEL}={owner.run}", tags=tags)
    return [each for each in found if (each.run, each.worker) == (owner.run, owner.worker)]


def of_run(run: Run, wire: Wire) -> list[Thing]:
    """What any process of a run made, or had made in its name."""
    return [each for each in things(wire, f"{RUN_LABEL}={run}") if each.run == run]


def left_by_the_dead(wire: Wire) -> list[Thing]:
    """What runs of this machine have left that certainly have ended."""
    judged: dict[Run, bool] = {}
    found = []
    for each in things(wire, RUN_LABEL):
        run = each.run
        if run is None:
            continue
        if run not in judged:
            judged[run] = run.dead(local_engine=wire.place.local)
        if judged[run]:
            found.append(each)
    return found


def sweep_dead(wire: Wire) -> list[Thing]:
    """Remove what dead runs have left; answers what was removed. Two sweeps at once do not disturb each other."""
    return remove(wire, left_by_the_dead(wire))


def sweep_one(wire: Wire, owner: Owner, pause: Callable[[float], object]) -> list[Thing]:
    """Remove what a process that has just been killed made, until nothing new shows up; answers what was removed."""
    removed: list[Thing] = []
    begun = quiet_since = time.monotonic()
    while time.monotonic() - begun < _PATIENCE_S and time.monotonic() - quiet_since < _QUIET_S:
        gone = remove(wire, of(owner, wire))
        if gone:
            removed += gone
            quiet_since = time.monotonic()
        pause(_PAUSE_S)
    return removed


def remove(wire: Wire, found: Iterable[Thing], *, at_once: int = _AT_ONCE) -> list[Thing]:
    """Remove things, containers first, since they hold the others; answers what went.

    What resists (a network or volume that somebody else's container uses) stays, for whoever looks next. With one `at_once`
    no thread is started: an interpreter that ends cannot start any.
    """
    order: tuple[tuple[Kind, ...], ...] = (("container",), ("network", "volume", "image tag"))
    everything = list(found)
    gone: list[Thing] = []
    for kinds in order:
        layer = [each for each in everything if each.kind in kinds]
        if at_once == 1 or len(layer) < 2:
            gone += [each for each in layer if _remove(wire, each)]
            continue
        with ThreadPoolExecutor(at_once) as pool:
            went = pool.map(functools.partial(_remove, wire), layer)
            gone += [each for each, removed in zip(layer, went, strict=True) if removed]
    return gone


def _remove(wire: Wire, thing: Thing) -> bool:
    try:
        match thing.kind:
            case "container":
                wire.ask("DELETE", f"/containers/{thing.id}", force=1, v=1)
            case "network":
                wire.ask("DELETE", f"/networks/{thing.id}")
            case "volume":
                wire.ask("DELETE", f"/volumes/{thing.id}")
            case "image tag":
                wire.ask("DELETE", f"/images/{thing.id}", force=1)
    except NotThere:
        return False  # somebody else was faster
    except EngineUnreachable:
        raise
    except EngineError:
        return False
    return True


def main(arguments: list[str] | None = None) -> None:
    """For the warden: sweep after one process."""
    (told,) = sys.argv[1:] if arguments is None else arguments
    settings: dict[str, Any] = json.loads(told)
    run, worker = Run.parse(settings["run"]), Maker.parse(settings["worker"])
    if run is None or worker is None:
        sys.exit(f"no run and worker: {told}")
    wire = Wire(Place(settings["url"], settings["certificates"]))
    sweep_one(wire, Owner(run, worker), time.sleep)  # noqa: TID251  (outlives the runner: there is no Watch to wait with)
