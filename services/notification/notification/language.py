"""Language tags (BCP 47) and which locale serves one (RFC 4647, section 3.4, lookup)."""

import re
from collections.abc import Iterable
from typing import Final

FALLBACK: Final = "en"

_TAG: Final = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*", re.IGNORECASE | re.ASCII)


def is_tag(text: str) -> bool:
    """Whether a text has the form of a language tag."""
    return _TAG.fullmatch(text) is not None


def lookup(tag: str, locales: Iterable[str]) -> str:
    """The locale for a tag: the same one, else the one that is left when subtags are dropped from the end, else `en`."""
    if not is_tag(tag):
        return FALLBACK
    known = {locale.lower(): locale for locale in locales}
    left = tag.lower()
    while left:
        if left in known:
            return known[left]
        left = left.rpartition("-")[0]
        if re.search(r"-[a-z0-9]\Z", left):
            left = left[:-2]  # a single-character subtag goes with the one that it introduced
    return FALLBACK
