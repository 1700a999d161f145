"""The gate: which modules run, what becomes of each, and the verdict."""

import dataclasses
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from house import containers, environments, interpreters, results, selection, tree
from house.flakes import modules, verdict
from house.flakes.beside import Attempt, Beside, variables
from house.flakes.changes import ChangesFault, since
from house.flakes.modules import Module
from house.flakes.verdict import Repetition, Tried
from seatrial.failures.artifacts import RunArtifacts, new_run_name, safe_name
from seatrial.results.reports import Failure, RunResult, State
from seatrial.results.summary import JOB_PAGE
from seatrial.rules import quarantine, seed
from seatrial.tier import Lane, Tiers

TIER: Final = "flakes"
INTERRUPTED: Final = 130
"""The exit status of a gate that was ended by Ctrl-C."""


class Mistake(Exception):
    """What the caller got wrong, in one line with the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the gate is asked for; of `since`, `everything` and `paths` at most one is given."""

    since: str | None = None
    """A commit: the modules that changed since this branch left it; None for the default."""
    everything: bool = False
    paths: tuple[str, ...] = ()
    """Modules and folders, relative to the current directory."""
    times: int
    """How many runs each module has."""
    beside: int
    """How many run at once."""
    minutes: float
    """How long the runs may take altogether."""
    seed: int | None = None
    """None for a new one."""


class Gate:
    """One run of the gate."""

    def __init__(self, tiers: Tiers, request: Request) -> None:
        self._root = tiers.root
        self._tiers = tiers
        self._request = request
        self._seed = seed.new_seed() if request.seed is None else request.seed
        self._artifacts = RunArtifacts(self._root / results.REPORTS / TIER / "artifacts", new_run_name())
        self._started = time.monotonic()
        self._quarantines = quarantine.load(self._root / quarantine.FILE_NAME)
        self._tried: list[Tried] = []
        self._failures: list[Failure] = []
        self._problems: list[str] = []

    def run(self) -> int:
        """Choose the modules, run them, and say what came of it; returns the exit status.

        Raises Mistake, ChangesFault or EnvironmentFault, and keeps that as the result.
        """
        try:
            chosen, why = self._chosen()
            pythons = {name: self._python(name) for name in {each.run.environment for each in chosen}}
        except (Mistake, ChangesFault, environments.EnvironmentFault) as error:
            self._problems.append(str(error))
            self._save("failed")
            raise
        if not chosen:
            _say(f"{TIER}: {why}: nothing to run")
            self._save("passed")
            return 0
        times, beside = self._request.times, min(self._request.beside, self._request.times)
        counted = f"{len(chosen)} {'module' if len(chosen) == 1 else 'modules'}"
        _say(f"{TIER}: {why}: {counted}, {times} runs of each, {beside} at once, seed {self._seed}")
        self._tried = [Tried(module, times) for module in chosen]
        self._artifacts.hold()
        self._artifacts.prune()
        self._save("running")
        try:
            self._try_all(beside, pythons)
        except KeyboardInterrupt:
            self._close("interrupted")
            return INTERRUPTED
        finally:
            self._artifacts.release()
        if problem := verdict.too_few(self._tried, self._request.minutes):
            self._problems.append(problem)
        red = bool(self._failures or self._problems)
        self._close("failed" if red else "passed")
        return int(red)

    def _chosen(self) -> tuple[list[Module], str]:
        """The modules to run, the last changed first, and why them."""
        every = modules.every(self._tiers, tree.files(self._root))
        if self._request.everything:
            return every, "every test module"
        if self._request.paths:
            return _below(self._root, every, self._request.paths), "chosen by hand"
        changes = since(self._root, self._request.since, Lane.current())
        chosen = modules.changed(self._root, every, changes.files)
        return chosen, f"{'test' if chosen else 'no test'} modules that changed since {changes.since}"

    def _try_all(self, beside: int, pythons: Mapping[str, Path]) -> None:
        images = self._images()
        more = images or {}
        environment = variables(more)
        repetition = Repetition(environment, more, self._seed, self._request.times, self._request.beside)
        deadline = time.monotonic() + 60.0 * self._request.minutes
        with Beside(self._root, environment) as runs:
            for number, tried in enumerate(self._tried, 1):
                if images is None and self._needs_engine(tried.module):
                    continue
                if time.monotonic() >= deadline:
                    break
                _say(f"[{number}/{len(self._tried)}] {tried.module}  ", end="")
                attempts = self._attempts(tried, pythons[tried.module.run.environment])
                try:
                    for outcome in runs.make(attempts, beside=beside, deadline=deadline):
                        tried.outcomes.append(outcome)
                        _say("." if outcome.passed else "F", end="")
                finally:
                    _say("")
                    self._judge(tried, repetition)

    def _attempts(self, tried: Tried, python: Path) -> list[Attempt]:
        module = tried.module
        plugins = self._tiers.environments[module.run.environment].plugins
        run = dataclasses.replace(module.run, paths=(), exclude=(), workers=0)
        words = selection.pytest_command(self._root, run, plugins, python, [])
        return [
            Attempt(
                module=module,
                number=number,
                seed=seed.generator(self._seed, f"{module}#{number}").getrandbits(seed.SEED_BITS),
                python=words[0],
                options=tuple(words[3:]),
                folder=self._artifacts.path / f"{safe_name(str(module))}.{number}",
            )
            for number in range(1, tried.wanted + 1)
        ]

    def _judge(self, tried: Tried, repetition: Repetition) -> None:
        found = verdict.failures(tried, self._quarantines, repetition)
        self._failures += found
        if found:
            _say(verdict.told(tried, found, repetition))

    def _needs_engine(self, module: Module) -> bool:
        return containers.CAPABILITY in self._tiers[module.tier].capabilities

    def _images(self) -> Mapping[str, str] | None:
        """The variables of tests with containers, if there are any; None when their engine cannot be had."""
        needy = [tried for tried in self._tried if self._needs_engine(tried.module)]
        if not needy:
            return {}
        try:
            containers.start_engine(self._root)
            return containers.suite_images(self._root, self._python("integration"))
        except containers.ContainerFault as fault:
            self._problems.append(f"{len(needy)} modules need containers: {fault}")
            return None

    def _python(self, name: str) -> Path:
        """The interpreter of an environment; this one in its own."""
        python = interpreters.running()
        if Path(sys.prefix).name == f"{name}-{python.version}":
            return Path(sys.executable)
        return environments.install(self._root, name, self._tiers.environments[name].install, python).python

    def _close(self, state: State) -> None:
        rows = verdict.table(self._tried)
        for problem in self._problems:
            _say(f"problem: {problem}")
        _say(f"\n{verdict.as_text(rows)}\n{TIER}: {state}, seed {self._seed}")
        if page := os.environ.get(JOB_PAGE):
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(f"{verdict.as_markdown(rows)}\n\n")
        self._save(state)

    def _save(self, state: State) -> None:
        results.save(self._root, self._result(state))

    def _result(self, state: State) -> RunResult:
        result = results.result(
            self._root,
            TIER,
            state,
            time.monotonic() - self._started,
            counts=verdict.counts(self._tried),
            failures=tuple(self._failures),
            slow=verdict.longest(self._tried),
            problems=tuple(self._problems),
            command=f"{verdict.COMMAND} ARGS='--seed {self._seed}'",
        )
        shown = self._artifacts.path.relative_to(self._root)
        return dataclasses.replace(result, seed=self._seed, artifacts=str(shown))


def _below(root: Path, every: Sequence[Module], paths: Iterable[str]) -> list[Module]:
    """The modules that paths name; raises Mistake for one that names none."""
    chosen: dict[Module, None] = {}
    for text in paths:
        path = Path.cwd() / text
        if "::" in text:
            raise Mistake(f"{text}: is a test: a module runs as a whole (write {text.partition('::')[0]})")
        if not path.exists() or not path.resolve().is_relative_to(root):
            raise Mistake(
                f"{text}: there is no such file or folder in {root} (name a test module, or a folder)"
            )
        pure = PurePosixPath(path.resolve().relative_to(root))
        found = [module for module in every if module.file.is_relative_to(pure)]
        if not found:
            raise Mistake(
                f"{text}: no test module that a push runs with {modules.PLUGIN} (name another, or --all)"
            )
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(f"{text}{end}")
    sys.stdout.flush()
