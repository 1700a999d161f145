"""How the end of a container is told and judged."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from seatrial.errors import SeatrialError, UnexpectedExit

if TYPE_CHECKING:
    from seatrial.containers.container import Container

_SIGNALLED: Final = 128


@dataclass(frozen=True, slots=True)
class ContainerExit:
    """How a container ended: the exit code (128 and the signal's number for one that died of a signal), and whether the
    kernel killed a process of it because its memory was used up."""

    code: int
    out_of_memory: bool = False

    def __str__(self) -> str:
        signal = f" (signal {self.code - _SIGNALLED})" if self.code > _SIGNALLED else ""
        return f"exit code {self.code}{signal}{', out of memory' if self.out_of_memory else ''}"


@dataclass(frozen=True, slots=True)
class Expected:
    """The end that a test declared; None means any."""

    code: int | None
    out_of_memory: bool | None

    def met_by(self, end: ContainerExit, *, finally_known: bool = False) -> bool:
        """Whether `end` is that end; its cause is only known once the engine was asked for it."""
        if finally_known and self.out_of_memory not in (None, end.out_of_memory):
            return False
        return self.code in (None, end.code)

    def __str__(self) -> str:
        code = "any exit code" if self.code is None else f"exit code {self.code}"
        memory = {None: "", True: ", out of memory", False: ", not out of memory"}[self.out_of_memory]
        return f"{code}{memory}"


def story(container: "Container") -> str:
    """The end of a container, for an error."""
    asked = "although nobody asked it to end" if container.asked is None else f"after a {container.asked}"
    end = "was removed" if container.exit is None else str(container.exit)
    return f"{container.name} (container {container.id[:12]}): {end} {asked}; {container.log.story()}"


def judged(container: "Container") -> list[SeatrialError]:
    """What was wrong with the end of a container; nothing while it runs."""
    end, expected = container.exit, container.expected
    if end is None:
        foreign = container.state == "removed" and container.asked is None and expected is None
        return [UnexpectedExit(story(container))] if foreign else []
    if expected is not None:
        met = expected.met_by(end, finally_known=True)
        return [] if met else [UnexpectedExit(f"{story(container)}\nexpected was: {expected}")]
    if container.late:
        return [
            UnexpectedExit(
                f"{container.name} did not end within {container.spec.stop_timeout:g} s of"
                f" {container.spec.stop_signal.name} and had to be killed; {container.log.story()}"
            )
        ]
    clean = container.asked in ("kill", "remove") or (
        container.asked == "stop" and end.code in container.spec.clean_exits
    )
    return [] if clean else [UnexpectedExit(story(container))]
