"""The command line of a probe."""

import argparse
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import plan as plans
import target as targets
from mistake import Mistake
from plan import Objective, Plan
from scenarios.catalogue import SCENARIOS
from seatrial import Address

MOST_WORKERS: Final = 32
MOST_JOINING: Final = 64
_DESCRIPTION: Final = """Finds how many actions a second the platform sustains: boots an environment of its own, offers
rising arrival rates to its public contracts, and reports throughput, latency, errors and the knee."""
_WORKER_DESCRIPTION: Final = (
    "Joins the probe at --master as one more worker, from this machine or another one."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe as asked for. All numbers are within their bounds."""

    scenario: str
    plan: Plan
    users: int
    workers: int
    expected: int
    """Workers that others start."""
    bind: Address | None
    """Where the master listens for workers; None: on a port of its own at 127.0.0.1."""
    listen: str
    """The host of the listeners of the run's own environment."""
    target: targets.Target | None
    """None: the run's own environment."""
    permitted: tuple[str, ...]
    devices: Path | None
    join_timeout_s: float
    seed: int
    reports: Path


@dataclass(frozen=True, slots=True)
class Helper:
    """A worker that joins somebody's probe."""

    master: Address
    permitted: tuple[str, ...]


def parse(words: Sequence[str]) -> Probe | Helper:
    """The command line as what it asks for; raises Mistake. Ends the program for --help, and with 2 for an unknown option."""
    if words and words[0] == "worker":
        given = _worker_parser().parse_args(words[1:])
        return Helper(_address("--master", given.master), tuple(given.i_may_load))
    return _probe(_parser().parse_args(words))


def _probe(given: argparse.Namespace) -> Probe:
    if not 1 <= given.users <= plans.MOST_USERS:
        raise Mistake(f"--users {given.users}: give 1 to {plans.MOST_USERS}")
    if not 0 <= given.workers <= MOST_WORKERS:
        raise Mistake(f"--workers {given.workers}: give 0 to {MOST_WORKERS} processes on this machine")
    if not 0 <= given.expect_workers <= MOST_JOINING:
        raise Mistake(f"--expect-workers {given.expect_workers}: give 0 to {MOST_JOINING}")
    if given.workers + given.expect_workers == 0:
        raise Mistake("--workers 0 and nobody expected: nobody would send anything (add --expect-workers)")
    if given.users < given.workers + given.expect_workers:
        raise Mistake(f"--users {given.users}: each worker needs at least one (or take fewer workers)")
    if not 1 <= given.join_timeout <= 600:
        raise Mistake(f"--join-timeout {given.join_timeout:g}: give 1 to 600 seconds")
    bind = None if given.bind is None else _address("--bind", given.bind)
    if given.expect_workers and bind is None:
        raise Mistake("--expect-workers without --bind: say where they find the master (--bind HOST:PORT)")
    target = _target(given)
    objective = Objective(given.p99_ms, given.max_errors, given.follow)
    offered = plans.rates(given.first, given.last, given.steps)
    return Probe(
        scenario=given.scenario,
        plan=plans.ramp(
            offered,
            warm_up_s=given.warm_up,
            measure_s=given.measure,
            objective=objective,
            beyond=given.beyond,
        ),
        users=given.users,
        workers=given.workers,
        expected=given.expect_workers,
        bind=bind,
        listen=given.listen,
        target=target,
        permitted=tuple(given.i_may_load),
        devices=given.devices,
        join_timeout_s=given.join_timeout,
        seed=secrets.randbits(32) if given.seed is None else given.seed,
        reports=given.reports,
    )


def _target(given: argparse.Namespace) -> targets.Target | None:
    if given.target is None:
        for name, value in (("--target-grpc", given.target_grpc), ("--devices", given.devices)):
            if value is not None:
                raise Mistake(f"{name} belongs to a --target, and none is given")
        return None
    if given.target_grpc is None:
        raise Mistake(f"--target {given.target}: its gRPC address is missing (--target-grpc HOST:PORT)")
    target = targets.foreign(given.target, given.target_grpc)
    targets.check_permission(target, given.i_may_load)
    if SCENARIOS[given.scenario].reads_mail:
        raise Mistake(
            f"--scenario {given.scenario} reads codes from the mailbox of the run's own environment: it has no --target"
        )
    if given.devices is None:
        raise Mistake(
            "--target without --devices: nobody here can read its users' mail, so give devices that have"
            " signed in (load/README.md says how such a file looks)"
        )
    return target


def _address(name: str, text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise Mistake(f"{name}: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="load/run.py", description=_DESCRIPTION, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    lines = "; ".join(f"{scenario.name}: {scenario.summary}" for scenario in SCENARIOS.values())
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="commands", help=lines)

    ramp = parser.add_argument_group("the ramp")
    ramp.add_argument("--from", dest="first", type=float, default=40.0, help="first rate, actions a second")
    ramp.add_argument("--to", dest="last", type=float, default=480.0, help="last rate")
    ramp.add_argument("--steps", type=int, default=12, help="rates from first to last, at equal distances")
    ramp.add_argument("--warm-up", type=float, default=4.0, help="seconds of each step that are not measured")
    ramp.add_argument("--measure", type=float, default=14.0, help="seconds of each step that are")
    ramp.add_argument("--beyond", type=int, default=3, help="steps in a row out of the objective that end it")
    ramp.add_argument("--seed", type=int, help="of arrivals and choices; a random one when not given")

    objective = parser.add_argument_group("the objective")
    objective.add_argument(
        "--p99-ms", type=float, default=250.0, help="p99 from due to done, milliseconds at most"
    )
    objective.add_argument("--max-errors", type=float, default=0.01, help="share of failed actions, at most")
    objective.add_argument(
        "--follow", type=float, default=0.95, help="share of the offered actions done, at least"
    )

    swarm = parser.add_argument_group("who sends")
    swarm.add_argument(
        "--users", type=int, default=120, help="players: so many actions can be under way at once"
    )
    swarm.add_argument("--workers", type=int, default=2, help="Locust worker processes on this machine")
    swarm.add_argument(
        "--expect-workers", type=int, default=0, metavar="N", help="workers that join by address"
    )
    swarm.add_argument("--bind", metavar="HOST:PORT", help="where the master listens for workers")
    swarm.add_argument(
        "--join-timeout", type=float, default=60.0, help="seconds to wait for expected workers"
    )

    target = parser.add_argument_group("what is loaded (by default an environment of the run's own)")
    target.add_argument(
        "--listen", default="127.0.0.1", metavar="HOST", help="where the own environment listens"
    )
    target.add_argument("--target", metavar="URL", help="a gateway's public HTTP that runs already")
    target.add_argument("--target-grpc", metavar="HOST:PORT", help="its gRPC address")
    target.add_argument("--devices", type=Path, metavar="FILE", help="devices that have signed in there")
    _permission(target)
    parser.add_argument(
        "--reports", type=Path, default=Path("reports"), help="the folder under which load/<time> is written"
    )
    return parser


def _worker_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="load/run.py worker", description=_WORKER_DESCRIPTION)
    parser.add_argument("--master", required=True, metavar="HOST:PORT", help="what its --bind says")
    _permission(parser)
    return parser


def _permission(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        targets.PERMISSION,
        action="append",
        default=[],
        metavar="URL",
        help="a host that is not the run's own and may be loaded; may be given again",
    )
