import os
import subprocess
from collections.abc import Callable

import pytest

from seatrial.conftest import Inner
from seatrial.containers.ownership import Maker, Owner, Run, boot, machine, owner_of_tag, run_of
from seatrial.processes import proctree

HERE = Run.here()
DEAD = Maker(HERE.leader.pid, HERE.leader.started + 1)
"""A process that had our pid at another time."""


def test_an_id_says_who_leads_the_run_and_can_be_read_back() -> None:
    assert HERE.leader.pid == os.getpid()
    assert Run.parse(str(HERE)) == HERE
    assert Maker.parse(str(HERE.leader)) == HERE.leader


NOT_IDS = (
    "none",
    "number",
    "empty",
    "one",
    "true",
    "words",
    "space",
    "before",
    "after",
    "newline",
    "upper",
    "pid 0",
    "leading 0",
    "no pid",
    "short machine",
)


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "1",
        "true",
        "not-an-id",
        f"{HERE} ",
        f"x{HERE}",
        f"{HERE}-1",
        f"{HERE}\n",
        str(HERE).upper() + "F",
        f"{HERE.machine}-{HERE.boot}-0-1",
        f"{HERE.machine}-{HERE.boot}-01-1",
        f"{HERE.machine}-{HERE.boot}--1",
        f"{HERE.machine[:-1]}-{HERE.boot}-1-1",
    ],
    ids=NOT_IDS,
)
def test_what_is_no_id_to_the_letter_is_nobodys(text: object) -> None:
    assert Run.parse(text) is None
    assert run_of({"seatrial.run": text}) is None


def test_a_label_that_only_looks_like_ours_is_nobodys() -> None:
    assert run_of({"seatrial.runs": str(HERE), "seatrial.run.id": str(HERE), "run": str(HERE)}) is None
    assert run_of(None) is None
    assert run_of({"seatrial.run": str(HERE)}) == HERE


@pytest.mark.parametrize(
    ("run", "local", "remote"),
    [
        (HERE, False, False),
        (Run(machine(), boot(), DEAD), True, True),
        (Run(machine(), "00000000", HERE.leader), True, False),
        (Run("0" * 12, boot(), DEAD), False, False),
        (Run("0" * 12, "00000000", DEAD), False, False),
    ],
    ids=["living", "dead", "earlier boot", "other machine", "other machine's earlier boot"],
)
def test_only_a_run_of_this_machine_that_has_ended_is_dead(run: Run, local: bool, remote: bool) -> None:
    assert run.dead(local_engine=True) is local
    assert run.dead(local_engine=False) is remote


def test_a_run_whose_leader_is_a_zombie_is_dead() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        info = proctree.info(process.pid)
        assert info is not None
        its = Maker(info.pid, info.started)
        assert its.lives()
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not its.lives()


def test_a_tag_says_whose_it_is_and_is_a_pre_release_for_semver() -> None:
    owner = Owner(HERE, DEAD)
    tag = owner.tag("1.2.3")
    assert owner_of_tag(f"registry.test:5000/game/engine:{tag}") == owner
    assert tag.startswith("1.2.3-it-")
    assert len(tag) <= 128
    assert all(letter.isalnum() or letter in ".-" for letter in tag)


@pytest.mark.parametrize(
    "tag",
    ["1.2.3", "1.2.3-it", "1.2.3-it-mine", f"-it-{HERE}-{DEAD}", f"1-it-{HERE}"],
    ids=["plain", "suffix", "words", "no version", "no worker"],
)
def test_a_tag_that_only_looks_like_ours_is_nobodys(tag: str) -> None:
    assert owner_of_tag(f"game/engine:{tag}") is None


WORKERS = """
import os, pathlib
import pytest
from seatrial.containers import ownership

@pytest.mark.parametrize("n", range(4))
def test_says_whose_it_is(n, worker_id):
    owner = ownership.owner()
    assert owner.worker.pid == os.getpid()
    pathlib.Path(__file__).with_name(f"{worker_id}.owner").write_text(f"{owner.run} {owner.worker}")
"""


def test_the_workers_of_a_run_share_its_id_and_differ_in_their_own(new_inner: Callable[[str], Inner]) -> None:
    inner = new_inner(WORKERS)
    assert inner.run("-n2", "--dist=each", plugins=["xdist.plugin"]).status == 0
    runs, workers = zip(*(path.read_text().split() for path in inner.root.glob("*.owner")), strict=True)
    assert len(workers) == 2
    assert len(set(runs)) == 1
    assert len(set(workers)) == 2
    run = Run.parse(runs[0])
    assert run is not None
    assert str(run.leader) not in workers
    assert run.dead(local_engine=False)  # the inner run is over
