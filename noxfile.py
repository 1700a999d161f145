"""Sessions: one for each tier of tiers.toml, and the chores `lock`, `generate`, `format` and `seatrial`.

Environments come from integration/house/environments.py: they are shared by the sessions, made by uv from locks with hashes,
and left alone while nothing about them changed. Arguments after `--` go to pytest: `nox -s integration_quick -- -k replay`.
"""

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

import nox

ROOT: Final = Path(__file__).parent
HOUSE: Final = (ROOT / "integration", ROOT / "integration" / "harness")
"""Where the packages of the house, the contracts and the harness are found."""
sys.path[:0] = map(str, HOUSE)

from house import (  # noqa: E402
    browser,
    checks,
    containers,
    environments,
    generated,
    interpreters,
    linting,
    locks,
    results,
    results_tier,
    rooms,
    runs,
    selection,
)
from seatrial import tier as tiers  # noqa: E402

try:
    TIERS: Final = tiers.load(ROOT / tiers.FILE_NAME)
except tiers.TierError as error:
    sys.exit(str(error))

# A shell makes its background jobs deaf to SIGINT, and all that they start inherits that: Ctrl-C's own tests would wait in vain.
signal.signal(signal.SIGINT, signal.default_int_handler)

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "unit", "integration_quick"]

PLUGIN: Final = "seatrial.plugin"
"""The harness' pytest plugin: a run with it reports by itself."""

STOP_TIMEOUT_S: Final = 30.0
"""How long `seatrial up` may take to stop what it started."""

BESIDE_ITSELF: Final = 5
"""How many times the suites run beside themselves every night."""

AGAINST: Final = ("--against", "--identical", "--slow-down", "--list")
"""Arguments of the tier `bench` that ask for a verdict on two versions."""

COLD: Final = {"SEATRIAL_BOOT": "cold"}
"""Every process executes its program: what the night runs, where by day most are forked from a warm interpreter."""

# Variables that change how Python or pytest work must not make two machines differ.
VARIABLES: Final = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "PYTEST_")) and name != "VIRTUAL_ENV"
} | {"UV_PYTHON_DOWNLOADS": "never", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}


def environment(
    session: nox.Session, name: str, interpreter: interpreters.Interpreter | None = None
) -> environments.Installed:
    """An environment of tiers.toml, ready to use; ends the session with a reason when it cannot be made."""
    described = TIERS.environments[name]
    try:
        return environments.install(ROOT, name, described.install, interpreter or interpreters.running())
    except environments.EnvironmentFault as error:
        session.error(str(error))


def start_pytest(
    session: nox.Session,
    tier: tiers.Tier,
    run: tiers.Run,
    python: interpreters.Interpreter,
    label: str,
    arguments: Sequence[str],
    *,
    before: Sequence[str] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
    output: IO[str] | None = None,
) -> Callable[[], int]:
    """Start one pytest run; what is returned waits for its end, keeps its result and returns pytest's exit status.

    `before` goes before the command, `variables` into its environment.
    """
    installed = environment(session, run.environment, python)
    plugins = TIERS.environments[run.environment].plugins
    command = [*before, *selection.pytest_command(ROOT, run, plugins, installed.python, arguments)]
    session.log(f"{tier.name}: {label}")
    started = runs.PytestRun(ROOT, tier.name, label, command, PLUGIN in plugins, bool(arguments))
    started.start({**VARIABLES, **variables}, output)
    return started.wait


def run_command(
    session: nox.Session,
    tier: tiers.Tier,
    run: tiers.Run,
    python: interpreters.Interpreter,
    label: str,
    arguments: Sequence[str],
    variables: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run a tier's own program, which writes its result itself; answers its exit status."""
    command = [
        str(environment(session, run.environment, python).python.relative_to(ROOT)),
        *run.command,
        *arguments,
    ]
    session.log(f"{tier.name}: {label}")
    paths = {"PYTHONPATH": os.pathsep.join(map(str, HOUSE))}
    return runs.run_program(ROOT, tier.name, command, {**VARIABLES, **variables, **paths})


def pythons(session: nox.Session) -> list[interpreters.Interpreter]:
    """The interpreters to run on: `--python=3.12` chooses, `--pythons` takes all that are present."""
    chosen = [word.partition("=")[2] for word in session.posargs if word.startswith("--python=")]
    if not chosen and "--pythons" not in session.posargs:
        return [interpreters.running()]
    found = interpreters.present()
    versions = [python.version for python in found]
    missing = [version for version in chosen if version not in versions]
    if missing:
        session.error(
            f"no working Python {', '.join(missing)} (present: {', '.join(versions)}; install what is missing)"
        )
    session.log("interpreters: " + ", ".join(f"{python.version} at {python.path}" for python in found))
    return [python for python in found if python.version in chosen or not chosen]


def with_containers(session: nox.Session) -> dict[str, str]:
    """An engine that answers, and the variables that name images; ends the session with a reason when there is none."""
    try:
        containers.start_engine(ROOT)
        return containers.suite_images(ROOT, environment(session, "integration").python)
    except containers.ContainerFault as fault:
        session.error(str(fault))


def with_browser(session: nox.Session, tier: tiers.Tier) -> None:
    """A browser; ends the session with a reason where there must be one. Elsewhere what needs it is a counted skip."""
    try:
        browser.find_or_install(ROOT)
    except browser.BrowserFault as fault:
        if tier.mandatory(browser.CAPABILITY, tiers.Lane.current()):
            session.error(str(fault))
        session.warn(str(fault))


def suites(session: nox.Session, tier: tiers.Tier) -> None:
    """A tier's runs, all of them whatever fails; it fails for those that did."""
    given = [word for word in session.posargs if not word.startswith("--python")]
    variables = with_containers(session) if containers.CAPABILITY in tier.capabilities else {}
    if browser.CAPABILITY in tier.capabilities:
        with_browser(session, tier)
    every = [run for name in (*tier.includes, tier.name) for run in TIERS[name].runs]
    failed, found = [], False
    for python in pythons(session):
        for run, name in runs.labels(every):
            label = f"{name}-{python.version}"
            if run.command:
                if status := run_command(session, tier, run, python, label, given, variables):
                    failed.append(f"{label} ({' '.join(run.command)} ended with {status})")
                found = True
                continue
            arguments = selection.arguments_for(ROOT, run, given)
            if arguments is None:
                continue
            status = start_pytest(session, tier, run, python, label, arguments, variables=variables)()
            found |= status != runs.NO_TESTS
            if status and (status != runs.NO_TESTS or not given):
                failed.append(f"{label} (pytest ended with {status})")
    if failed:
        session.error(f"{tier.name}: {', '.join(failed)}")
    if not found:
        session.error(f"{tier.name}: no test matches {' '.join(given)}")


def lint(session: nox.Session, tier: tiers.Tier) -> None:
    """All checks, whatever fails."""
    started = time.monotonic()
    to_run = linting.Linting(ROOT, {name: environment(session, name) for name in TIERS.environments}).checks()
    outcomes = checks.run(to_run, VARIABLES, jobs=os.cpu_count() or 1)
    failed = [(outcome.check.name, outcome.output) for outcome in outcomes if outcome.status]
    seconds = time.monotonic() - started
    results.save(ROOT, results.of_checks(ROOT, tier.name, len(outcomes) - len(failed), failed, seconds))
    if failed:
        names = ", ".join(name for name, _ in failed)
        session.error(f"{tier.name}: {len(failed)} of {len(outcomes)} checks failed: {names}")


def integration_full(session: nox.Session, tier: tiers.Tier) -> None:
    """The included suites from an empty build cache, then beside themselves, then the smoke tests on an external server."""
    python = interpreters.running()
    included = [run for name in tier.includes for run in TIERS[name].runs]
    given = session.posargs
    failed = []

    def judge(label: str, status: int) -> None:
        if status:
            failed.append(f"{label} (pytest ended with {status})")

    for run, name in runs.labels(tier.runs):
        judge(name, start_pytest(session, tier, run, python, name, given, variables=COLD)())
    for run in included:
        if PLUGIN not in TIERS.environments[run.environment].plugins:
            judge(run.environment, start_pytest(session, tier, run, python, run.environment, given)())
            continue
        with tempfile.TemporaryDirectory(prefix="seatrial-cache-") as cache:
            variables = {**COLD, "SEATRIAL_CACHE": cache}
            judge(
                "empty cache",
                start_pytest(session, tier, run, python, "empty-cache", given, variables=variables)(),
            )
        for number in range(1, BESIDE_ITSELF + 1):
            with tempfile.TemporaryFile("w+") as second_output:
                sides = [f"beside-{number}-{side}" for side in ("a", "b")]
                first = start_pytest(session, tier, run, python, sides[0], given, variables=COLD)
                second = start_pytest(
                    session, tier, run, python, sides[1], given, variables=COLD, output=second_output
                )
                judge(sides[0], first())
                judge(sides[1], second())
                second_output.seek(0)
                sys.stdout.writelines(second_output)
        helper = [str(environment(session, run.environment, python).python), "-m", "house.real_server"]
        variables = {**COLD, "PYTHONPATH": str(ROOT / "integration")}
        smoke = dataclasses.replace(run, markers="smoke")
        wait = start_pytest(
            session, tier, smoke, python, "real-server", given, before=helper, variables=variables
        )
        judge("real server", wait())
    if failed:
        session.error(f"{tier.name}: {', '.join(failed)}")


def bench(session: nox.Session, tier: tiers.Tier) -> None:
    """All benches; with `--against REF` a verdict on the working tree and that revision instead."""
    if not any(word.partition("=")[0] in AGAINST for word in session.posargs):
        suites(session, tier)
        return
    (run,) = tier.runs
    compare = dataclasses.replace(run, paths=(), exclude=(), command=("benches/compare.py",))
    python = interpreters.running()
    variables = with_containers(session)
    if status := run_command(session, tier, compare, python, "compare", session.posargs, variables):
        session.error(f"{tier.name}: compare (benches/compare.py ended with {status})")


SPECIAL: Final[dict[str, Callable[[nox.Session, tiers.Tier], None]]] = {
    "lint": lint,
    "integration_full": integration_full,
    "bench": bench,
}
"""The tiers that are more than their runs."""


def add_session(tier: tiers.Tier) -> None:
    """Make the session of a tier."""
    body = SPECIAL.get(tier.name, suites)

    def session(session: nox.Session) -> None:
        try:
            with results_tier.closing(ROOT, tier, session.posargs):
                body(session, tier)
        except results_tier.TierFault as fault:
            session.error(f"{tier.name}: {fault}")

    session.__doc__ = tier.purpose
    nox.session(name=tier.name)(session)


for _tier in TIERS:
    add_session(_tier)


@nox.session
def lock(session: nox.Session) -> None:
    """compile requirements/*.in to locks with hashes; `-- --upgrade` moves their versions"""
    try:
        uv = environments.uv_command(ROOT)
        for each in locks.all_locks(ROOT):
            each.compile(uv, session.posargs)
            session.log(str(each.compiled.relative_to(ROOT)))
    except (locks.LockError, environments.EnvironmentFault) as error:
        session.error(str(error))


@nox.session
def generate(session: nox.Session) -> None:
    """write protobuf stubs and OpenAPI files from their sources"""
    services = (rooms.LIBRARY, *generated.openapi_services(ROOT))
    units = {name: environment(session, f"{name}-unit") for name in services}
    try:
        generated.write_all(ROOT, environment(session, "lint"), units)
    except subprocess.CalledProcessError as error:
        session.error(f"{Path(error.cmd[0]).name} ended with {error.returncode}: see above")


@nox.session(name="format")
def format_code(session: nox.Session) -> None:
    """format the code and apply the lint fixes that cannot change what it does"""
    ruff = environment(session, "lint").program("ruff")
    session.run(ruff, "check", "--fix", "--quiet", "--exit-zero", ".", external=True)
    session.run(ruff, "format", *session.posargs, ".", external=True)


@nox.session
def docker(session: nox.Session) -> None:
    """container images and the platform in containers: `nox -s docker -- images|up|down`"""
    commands = {
        "images": ["-m", "contracts.images"],
        "up": ["docker/compose/by_hand.py", "up"],
        "down": ["docker/compose/by_hand.py", "down"],
    }
    command, *more = session.posargs or ["images"]
    if command not in commands:
        session.error(f"no command {command!r} (one of: {', '.join(commands)})")
    try:
        containers.start_engine(ROOT)
    except containers.ContainerFault as fault:
        session.error(str(fault))
    session.run(
        str(environment(session, "integration").python),
        *commands[command],
        *more,
        env={
            **VARIABLES,
            "PYTHONPATH": os.pathsep.join(map(str, HOUSE)),
        },
        external=True,
        log=False,
        interrupt_timeout=STOP_TIMEOUT_S,
        terminate_timeout=STOP_TIMEOUT_S,
    )


@nox.session
def coverage(session: nox.Session) -> None:
    """one page of what the last runs of all tiers have seen of every contract"""
    page = ROOT / results.REPORTS / "coverage.html"
    session.run(
        str(environment(session, "integration").python),
        *("-m", "contracts.coverage", results.REPORTS, "--output", str(page), *session.posargs),
        env={**VARIABLES, "PYTHONPATH": os.pathsep.join(map(str, HOUSE))},
        external=True,
        log=False,
    )


@nox.session
def seatrial(session: nox.Session) -> None:
    """the command line of the harness: `nox -s seatrial -- doctor`"""
    session.run(
        environment(session, "integration").program("seatrial"),
        *session.posargs,
        env=VARIABLES,
        external=True,
        log=False,
        # `why` says with 1 that there is a failure to tell of
        success_codes=[0, 1] if session.posargs[:1] == ["why"] else [0],
        interrupt_timeout=STOP_TIMEOUT_S,
        terminate_timeout=STOP_TIMEOUT_S,
    )
