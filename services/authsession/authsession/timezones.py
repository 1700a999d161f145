"""Time zones by their IANA names, from the pinned `tzdata` distribution: the machine's own database does not matter."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def names() -> frozenset[str]:
    """Every name that `zoneinfo` can load, without the placeholder `Factory`. Read once, from `tzdata/zones`."""
    package = find_spec("tzdata")
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            "the distribution tzdata is not installed (install authsession with its dependencies)"
        )
    listing = Path(package.origin).with_name("zones").read_text(encoding="ascii")
    return frozenset(listing.split()) - {"Factory"}


def is_known(name: str) -> bool:
    """Whether `name` is a time zone, letter by letter."""
    return name in names()
