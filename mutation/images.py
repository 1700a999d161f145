"""Container images of mutated engines: they are built by the suites, and must not outlive the gate."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from seatrial.containers.engine import Engine
from suites import LIBRARY

_REPOSITORY: Final = "seatrial/engine-"
_BUILT_FROM: Final = frozenset({"engine", LIBRARY})
"""Services whose mutants make images of their own."""


@contextmanager
def none_left(services: Collection[str]) -> Iterator[None]:
    """Remove the engine images that were made while this was entered, if mutants of these services make any.

    Raises EngineUnreachable before anything was made.
    """
    if _BUILT_FROM.isdisjoint(services):
        yield
        return
    engine = Engine.current()
    before = _references(engine)
    try:
        yield
    finally:
        for reference in _references(engine) - before:
            engine.remove_image(reference)


def _references(engine: Engine) -> set[str]:
    listed = engine.wire.ask("GET", "/images/json", filters={"reference": [f"{_REPOSITORY}*"]}).json()
    return {reference for image in listed for reference in image["RepoTags"] or ()}
