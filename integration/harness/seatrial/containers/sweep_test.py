"""What a sweep takes, and above all what it leaves alone."""

import contextlib
import itertools
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from docker.types import IPAMConfig, IPAMPool

from seatrial.builds.progress import progress
from seatrial.cli.main import main
from seatrial.containers.engine import Engine
from seatrial.containers.ownership import Maker, Owner, Run
from seatrial.containers.sweep import Thing, left_by_the_dead, of, remove, sweep_dead, things
from seatrial.containers.wire import EngineError, Place, Wire

pytestmark = pytest.mark.requires("docker")
KINDS = ("container", "network", "volume", "image tag")


class Yard:
    """Things of all four kinds under names and labels of one's choice, removed at the end whatever happens."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine = engine
        self._image = image
        self._undo = contextlib.ExitStack()
        self._numbers = itertools.count()
        self.key = f"yard-{secrets.token_hex(4)}"

    def plant(self, labels: Mapping[str, str], tag: str = "1.0.0", name: str = "seatrial") -> list[Thing]:
        """One of each kind; the image tag is `name/yard-...:tag`."""
        api, label = self._engine.api, dict(labels)
        unique = f"{name}-{self.key}-{next(self._numbers)}"
        container = str(api.create_container(self._image, ["true"], name=unique, labels=label)["Id"])
        self._undo.callback(self._gone, api.remove_container, container, force=True)
        # An engine has some thirty networks to give: these are from a range that is for benchmarks (RFC 2544).
        first, second, third = secrets.token_bytes(3)
        subnet = f"198.{18 + first % 2}.{second}.{third & 0xF8}/29"
        pool = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
        network = str(api.create_network(unique, labels=label, ipam=pool)["Id"])
        self._undo.callback(self._gone, api.remove_network, network)
        api.create_volume(unique, labels=label)
        self._undo.callback(self._gone, api.remove_volume, unique)
        reference = f"{unique}:{tag}"
        api.tag(self._image, unique, tag)
        self._undo.callback(self._gone, api.remove_image, reference)
        return [
            Thing("container", container, unique, label),
            Thing("network", network, unique, label),
            Thing("volume", unique, unique, label),
            Thing("image tag", reference, reference, {}),
        ]

    def there(self) -> set[str]:
        """The ids of all that was planted and is still there."""
        return {each.id for each in things(self._engine.wire) if self.key in each.name}

    @staticmethod
    def _gone(action: object, *arguments: object, **options: object) -> None:
        from docker.errors import APIError

        with contextlib.suppress(APIError):
            action(*arguments, **options)  # type: ignore[operator]

    def close(self) -> None:
        """Remove everything."""
        self._undo.close()


@pytest.fixture
def yard(engine: Engine, image: str) -> Iterator[Yard]:
    made = Yard(engine, image)
    try:
        yield made
    finally:
        made.close()


def ids(planted: list[Thing]) -> set[str]:
    return {each.id for each in planted}


def test_what_a_dead_run_left_goes_and_is_named(yard: Yard, engine: Engine, dead_owner: Owner) -> None:
    left = yard.plant(dead_owner.labels(), dead_owner.tag("1.0.0"))
    lasting = yard.plant(dead_owner.labels("run"), dead_owner.tag("1.0.1"))
    found = {each.id for each in left_by_the_dead(engine.wire)}
    assert ids(left) | ids(lasting) <= found
    assert ids(left) | ids(lasting) <= {each.id for each in sweep_dead(engine.wire)}
    assert yard.there() == set()


def strangers(dead: Owner) -> dict[str, tuple[Mapping[str, str], str]]:
    """Labels and tags that look like ours and are not, or are those of a run that lives."""
    run, other, earlier = dead.run, "0" * 12, "0" * 8
    here = Owner(Run.here(), Maker.here())
    foreign = Owner(Run(other, run.boot, run.leader), dead.worker)
    older = Owner(Run(other, earlier, run.leader), dead.worker)
    return {
        "without a label": ({}, "1.0.0"),
        "malformed": ({"seatrial.run": f"{run}x"}, f"1.0.0-it-{run}x-{dead.worker}"),
        "empty": ({"seatrial.run": ""}, "1.0.0-it-"),
        "a name": ({"seatrial.run": "staging"}, "1.0.0-it-staging"),
        "another key": ({"seatrial.runs": str(run)}, f"1.0.0-its-{run}-{dead.worker}"),
        "a key below": ({"seatrial.run.id": str(run)}, f"1.0.0-it-{run}"),
        "another machine": (foreign.labels(), foreign.tag("1.0.0")),
        "another machine's earlier boot": (older.labels(), older.tag("1.0.0")),
        "living": (here.labels(), here.tag("1.0.0")),
        "living, another worker": (
            {**here.labels(), "seatrial.worker": str(dead.worker)},
            Owner(here.run, dead.worker).tag("1.0.0"),
        ),
    }


def test_nothing_foreign_and_nothing_of_a_living_run_is_touched(
    yard: Yard, engine: Engine, dead_owner: Owner
) -> None:
    kept = [yard.plant(labels, tag) for labels, tag in strangers(dead_owner).values()]
    left = yard.plant(dead_owner.labels(), dead_owner.tag("1.0.0"))
    swept = {each.id for each in sweep_dead(engine.wire)}
    assert ids(left) <= swept
    for name, planted in zip(strangers(dead_owner), kept, strict=True):
        assert not ids(planted) & swept, name
    assert yard.there() == set().union(*map(ids, kept))


def test_an_earlier_boot_of_this_machine_is_dead(yard: Yard, engine: Engine, dead_owner: Owner) -> None:
    here = Maker.here()
    rebooted = Owner(Run(dead_owner.run.machine, "0" * 8, here), here)
    left = yard.plant(rebooted.labels(), rebooted.tag("1.0.0"))
    assert ids(left) <= {each.id for each in sweep_dead(engine.wire)}


def test_a_process_is_swept_without_its_neighbours(yard: Yard, engine: Engine, dead_owner: Owner) -> None:
    neighbour = Owner(dead_owner.run, Maker.here())
    mine = yard.plant(dead_owner.labels(), dead_owner.tag("1.0.0"))
    theirs = yard.plant(neighbour.labels(), neighbour.tag("1.0.0"))
    found = of(dead_owner, engine.wire)
    assert {each.id for each in found} & (ids(mine) | ids(theirs)) == ids(mine)
    remove(engine.wire, [each for each in found if each.id in ids(mine)])
    assert yard.there() == ids(theirs)


def test_what_somebody_elses_container_uses_resists_and_the_container_stays(
    yard: Yard, engine: Engine, image: str, dead_owner: Owner
) -> None:
    left = yard.plant(dead_owner.labels())
    network, volume = left[1], left[2]
    guest = f"{yard.key}-guest"
    made = engine.api.create_container(
        image,
        ["sleep", "1000"],
        name=guest,
        host_config=engine.api.create_host_config(binds=[f"{volume.id}:/data"], network_mode=network.id),
    )
    started = str(made["Id"])
    try:
        engine.api.start(guest)
        assert left[0].id in {each.id for each in sweep_dead(engine.wire)}
        assert yard.there() == {network.id, volume.id, left[3].id, started}
        its = engine.api.inspect_container(guest)
        assert its["State"]["Running"]
        assert its["NetworkSettings"]["Networks"][network.name]["NetworkID"] == network.id
    finally:
        engine.api.remove_container(guest, force=True)
    assert {network.id, volume.id} <= {each.id for each in sweep_dead(engine.wire)}


def test_what_another_sweep_took_is_not_missed(yard: Yard, engine: Engine, dead_owner: Owner) -> None:
    left = yard.plant(dead_owner.labels(), dead_owner.tag("1.0.0"))
    found = left_by_the_dead(engine.wire)
    assert {each.id for each in remove(engine.wire, found)} == ids(left)
    assert remove(engine.wire, found) == []


def test_the_first_use_in_a_run_sweeps_and_says_so(
    yard: Yard, dead_owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "report", said.append)
    monkeypatch.setattr(Engine, "_current", None)
    yard.plant(dead_owner.labels(), dead_owner.tag("1.0.0"))
    Engine.current()
    Engine.forget()
    assert yard.there() == set()
    (line,) = said
    assert line.startswith(f"swept what dead runs had left: container seatrial-{yard.key}-")


def test_the_command_line_sweeps_and_says_what(
    yard: Yard, dead_owner: Owner, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    yard.plant(dead_owner.labels(), dead_owner.tag("1.0.0"))
    monkeypatch.setattr(sys, "argv", ["seatrial", "sweep"])
    for said in (
        [f"removed {kind} seatrial-{yard.key}" for kind in KINDS],
        ["nothing was left by dead runs"],
    ):
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        output = capsys.readouterr().out
        assert all(words in output for words in said), output
    assert yard.there() == set()


def test_an_engine_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no socket"):
        sweep_dead(Wire(Place(f"unix://{tmp_path}/e.sock")))
