"""What one worker has seen: everything of the present step's measured time, and how often each call ended how, ever."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

from contracts.errors import ContractError
from contracts.gateway.edge import Rejected, TransportError
from contracts.http import NoAnswer
from histogram import Histogram
from words import ACTION, OK

_MOST_BREACHES: Final = 5


class Unexpected(Exception):
    """An answer that the contract knows and the scenario did not count on: its text is what it was."""


def outcome(error: BaseException | None) -> str:
    """How a call ended, in a word or two: few different ones, so that they can be counted."""
    match error:
        case None:
            return OK
        case Rejected():
            return error.code
        case TransportError():
            return f"transport {error.status}"
        case NoAnswer():
            return "no answer"
        case ContractError():
            return "contract breach"
        case Unexpected():
            return str(error)
        case _:
            return type(error).__name__


class Window:
    """The measured time of one step, in seconds of the worker's clock. It takes what was due in it, and what was done in it."""

    def __init__(self, begin: float, end: float) -> None:
        self.begin = begin
        self.end = end
        self.due = 0
        self.done = 0
        """Actions that ended well in the window, whenever they were due."""
        self.settled = 0
        """Of those due in the window: how many have ended, well or not."""
        self.failures: Counter[str] = Counter()
        """Of those due in the window, by outcome."""
        self.response = Histogram()
        self.service = Histogram()
        self.lateness = Histogram()
        self.calls: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.call_outcomes: Counter[tuple[str, str]] = Counter()

    def _holds(self, at: float) -> bool:
        return self.begin <= at < self.end

    def offered(self, due: float, lateness: float) -> None:
        """An action fell due, and was offered `lateness` seconds after that."""
        if self._holds(due):
            self.due += 1
            self.lateness.record(lateness)

    def action(self, due: float, began: float, ended: float, how: str) -> None:
        """An action has ended."""
        if how == OK and self._holds(ended):
            self.done += 1
        if not self._holds(due):
            return
        self.settled += 1
        self.response.record(ended - due)
        self.service.record(ended - began)
        if how != OK:
            self.failures[how] += 1

    def call(self, name: str, began: float, ended: float, how: str) -> None:
        """One call of an action has ended."""
        if self._holds(began):
            self.calls[name].record(ended - began)
            self.call_outcomes[name, how] += 1

    def unbegun(self, due: float, now: float) -> None:
        """An action that nobody was free to begin; it took longer than it has waited: that much is certain."""
        if self._holds(due):
            self.settled += 1
            self.failures["not begun"] += 1
            self.response.record(now - due)

    def cut(self, now: float) -> None:
        """The step ends early."""
        self.end = min(self.end, now)

    def close(self) -> None:
        """What is under way now is not waited for any longer: it has not been answered in time."""
        if unanswered := self.due - self.settled:
            self.failures["not done"] += unanswered

    def report(self) -> dict[str, Any]:
        """All of it, as data for the master."""
        return {
            "measured_s": max(0.0, self.end - self.begin),
            "due": self.due,
            "done": self.done,
            "failures": dict(self.failures),
            "response": self.response.encoded(),
            "service": self.service.encoded(),
            "lateness": self.lateness.encoded(),
            "calls": {name: each.encoded() for name, each in self.calls.items()},
            "call_outcomes": [[name, how, count] for (name, how), count in self.call_outcomes.items()],
        }


class Recorder:
    """Listens to Locust's `request` event. Times are seconds of `clock`, in the event's context."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.window: Window | None = None
        self.ever: Counter[tuple[str, str, str]] = Counter()
        """Calls since the beginning, by request type, name and outcome."""
        self.breaches: list[str] = []
        """The first few answers that broke a contract."""

    def on_request(
        self,
        request_type: str,
        name: str,
        exception: BaseException | None,
        context: dict[str, float],
        **_: object,
    ) -> None:
        """The listener."""
        how, ended = outcome(exception), self._clock()
        if isinstance(exception, ContractError) and len(self.breaches) < _MOST_BREACHES:
            self.breaches.append(str(exception))
        if request_type == ACTION:
            if self.window is not None:
                self.window.action(context["due"], context["began"], ended, how)
            return
        self.ever[request_type, name, how] += 1
        if self.window is not None:
            self.window.call(name, context["began"], ended, how)

    def totals(self) -> dict[str, Any]:
        """What happened since the beginning, as data for the master."""
        return {"ever": [[*key, count] for key, count in self.ever.items()], "breaches": self.breaches}
