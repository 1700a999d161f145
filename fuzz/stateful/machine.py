"""Schemathesis over a service that runs: from its published OpenAPI document to sequences of calls, each answer judged."""

import contextlib
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis.errors import FlakyStrategyDefinition, Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Err
from schemathesis.generation import GenerationMode
from schemathesis.generation.stateful.state_machine import APIStateMachine
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from contracts import yamlfile

CALLER: Final = "X-User-Id"
"""The header in which the gateway names who calls."""
CALLERS: Final = ("u-ada", "u-bob", "u-eve")
"""The users who call: few, so that they meet in each other's games."""

_SENSIBLE: Final = 0.85
"""How often a right call is one that makes sense as well."""

_REMEMBERED: Final = 3
"""How many ids of a kind are known at a time: few, so that calls meet at the same ones."""

_SEQUENCES: Final = 50
"""How many sequences one state machine makes."""

_PATIENCE: Final = 4
"""How many times as many calls are made to reach what must be reached."""

_SETTINGS: Final = hypothesis.settings(
    deadline=None,  # the machine may be busy: time is judged nowhere here
    database=None,  # the seed of the run repeats it
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


def says_what_is_wrong(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:  # noqa: ARG001
    """Every error is `{"error": {"code", "message"}}`, and every answer has the id that finds it in the log."""
    if not response.headers.get("x-request-id"):
        raise AssertionError(
            f"{case.method} {case.path}: no X-Request-Id in the answer {response.status_code}"
        )
    if response.status_code >= 400:
        error = response.json().get("error", {})
        if not error.get("code") or not error.get("message"):
            raise AssertionError(
                f"{case.method} {case.path}: {response.status_code} without a code and a message"
            )
    return None


CHECKS: Final[tuple[CheckFunction, ...]] = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
    says_what_is_wrong,
)
"""What must hold of each answer, whatever was asked."""


@dataclass(frozen=True, slots=True)
class Record:
    """How often each operation was answered with each status."""

    answers: Counter[tuple[str, int]]

    def __call__(self, case: Case[Any], response: Response) -> None:
        """Note an answer."""
        self.answers[operation_id(case), response.status_code] += 1

    @property
    def operations(self) -> set[str]:
        """Those that were called."""
        return {operation for operation, _ in self.answers}

    @property
    def succeeded(self) -> set[str]:
        """Those that did what they are for, at least once."""
        return {operation for operation, status in self.answers if status < 300}

    @property
    def refused(self) -> set[str]:
        """Those that refused a call in the documented form, at least once."""
        return {operation for operation, status in self.answers if status >= 400}

    def __str__(self) -> str:
        return "\n".join(
            f"{count:6} {operation} {status}" for (operation, status), count in sorted(self.answers.items())
        )


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A published document and the process that serves it."""

    document: Path
    url: str
    seed: int
    """What a sequence of calls comes from; the same seed makes the same calls."""
    sense: Mapping[str, Callable[[random.Random], object]] = field(default_factory=dict)
    """By the name of a field or parameter: what mostly stands there in a right call, where the document allows more
    than makes sense: a moment in the future, a player who exists."""
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By the id of an operation: the operations that its answer leads to, and the field that they all need of it."""

    @property
    def operations(self) -> set[str]:
        """The ids of all operations of the document."""
        return {operation["operationId"] for operation in _operations(self._document())}

    def sequences(self, calls: int, steps: int, record: Record, reach: Collection[str] = ()) -> None:
        """Makes at least `calls` calls in sequences of up to `steps`, in which later ones use what earlier ones were answered.

        It goes on until each operation in `reach` did what it is for, which some sequences take long to come to.
        `record` notes every call. Raises the first fault that was found, with the calls that lead to it, and AssertionError
        when `_PATIENCE` times as many calls did not reach all of them.
        """
        # Schemathesis takes a user id that no operation creates for a resource that cannot be had, and starts elsewhere:
        # callers are not drawn but chosen here.
        document = self._document()
        self._link(document)
        chance = random.Random(self.seed)  # noqa: S311 - chance that must be repeatable
        caller = _Caller(chance, _without_callers(document), self.sense)
        log = _Log(record)
        settings = hypothesis.settings(_SETTINGS, max_examples=_SEQUENCES, stateful_step_count=steps)
        seed = self.seed
        while log.calls < calls or not record.succeeded.issuperset(reach):
            before = log.calls
            if before >= calls * _PATIENCE:
                never = sorted(set(reach) - record.succeeded)
                raise AssertionError(f"{self.document}: {before} calls, and none did what {never} are for")
            machine = hypothesis.seed(seed)(_machine(self._schema(document).as_state_machine(), caller, log))
            try:
                machine.run(settings=settings)
            except FlakyStrategyDefinition:
                # Hypothesis expects the same answers when it makes the same calls again, but the service has gone on
                # since: it starts anew with other calls.
                pass
            except BaseException:
                if not log.faults:
                    raise
            if log.faults:
                raise log.faults[0]
            if log.calls == before:
                raise AssertionError(f"{self.document}: no sequence of calls can be made from it")
            seed += 1

    def single_calls(self, examples: int, record: Record) -> None:
        """Makes `examples` right calls of each operation, and as many wrong ones. Raises what Schemathesis found."""
        for found in self._schema(self._document()).get_all_operations():
            if isinstance(found, Err):
                raise found.err()
            operation = found.ok()
            for mode in GenerationMode:
                self._calls(operation.as_strategy(generation_mode=mode), examples, record)

    def _calls(self, cases: SearchStrategy[Case[Any]], examples: int, record: Record) -> None:
        @hypothesis.seed(self.seed)
        @hypothesis.settings(_SETTINGS, max_examples=examples)
        @hypothesis.given(case=cases)
        def call(case: Case[Any]) -> None:
            response = case.call()
            record(case, response)
            case.validate_response(response, checks=list(CHECKS))

        # An operation that takes nothing cannot be called wrongly.
        with contextlib.suppress(Unsatisfiable):
            call()

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = yamlfile.load(self.document)
        return document

    def _link(self, document: dict[str, Any]) -> None:
        """Adds what Schemathesis cannot infer, as Link Objects (OpenAPI 3.1, 4.8.20)."""
        for operation in _operations(document):
            for target, name in self.links.get(operation["operationId"], {}).items():
                link = {"operationId": target, "parameters": {name: f"$response.body#/{name}"}}
                operation["responses"]["200"].setdefault("links", {})[target] = link

    def _schema(self, document: dict[str, Any]) -> BaseSchema:
        config = SchemathesisConfig()
        config.projects.default.update(base_url=self.url)
        return schemathesis.openapi.from_dict(document, config=config)


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        yield from (value for value in item.values() if isinstance(value, dict) and "operationId" in value)


def _without_callers(document: dict[str, Any]) -> frozenset[str]:
    """Takes the caller's header out of every operation; the ids of those that had it."""
    named = set()
    for operation in _operations(document):
        parameters = operation.get("parameters", [])
        kept = [each for each in parameters if each.get("name") != CALLER]
        if len(kept) < len(parameters):
            named.add(operation["operationId"])
            operation["parameters"] = kept
    return frozenset(named)


@dataclass(slots=True)
class _Log:
    """What was called, and the faults found: Hypothesis tells of a fault only if it can bring it about again."""

    record: Record
    calls: int = 0
    faults: list[BaseException] = field(default_factory=list)

    def judge(self, case: Case[Any], response: Response) -> None:
        self.calls += 1
        self.record(case, response)
        try:
            case.validate_response(response, checks=list(CHECKS))
        except (FailureGroup, AssertionError) as fault:
            self.faults.append(fault)
            raise


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who calls, and what people would say where the document leaves it open."""

    chance: random.Random
    named: frozenset[str]
    sense: Mapping[str, Callable[[random.Random], object]]
    known: dict[str, deque[str]] = field(default_factory=dict)
    """The last ids that answers named, by the name of their field."""

    def learn(self, response: Response) -> None:
        if response.status_code in (200, 201):
            document = response.json()
            for name, value in document.items() if isinstance(document, dict) else ():
                if name.endswith("_id") and isinstance(value, str):
                    self.known.setdefault(name, deque(maxlen=_REMEMBERED)).append(value)

    def prepare(self, case: Case[Any]) -> None:
        if operation_id(case) in self.named:
            case.headers[CALLER] = self.chance.choice(CALLERS)
        right = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
        if right and self.chance.random() < _SENSIBLE:
            for holder in (case.path_parameters, case.body):
                if isinstance(holder, dict):
                    self._make_sense(holder)

    def _make_sense(self, holder: dict[str, Any]) -> None:
        for name, value in holder.items():
            if name in self.sense:
                holder[name] = self.sense[name](self.chance)
            elif name in self.known:
                holder[name] = self.chance.choice(
                    (self.known[name][-1], self.chance.choice(self.known[name]))
                )
            elif isinstance(value, float) and value.is_integer():
                holder[name] = int(value)  # JSON Schema takes 2.0 for an integer; our services do not


def _machine(machine: type[APIStateMachine], caller: _Caller, log: _Log) -> type[APIStateMachine]:
    class Machine(machine):  # type: ignore[valid-type,misc]  # made from the document at run time
        """The document's machine, with callers who meet, and our checks."""

        def before_call(self, case: Case[Any]) -> None:
            caller.prepare(case)

        def validate_response(self, response: Response, case: Case[Any], **options: object) -> None:  # noqa: ARG002
            log.judge(case, response)
            caller.learn(response)

    Machine.__name__ = machine.__name__
    return Machine


def operation_id(case: Case[Any]) -> str:
    """The operation that a call is of, as the document names it."""
    return str(case.operation.definition.raw["operationId"])
