"""Which locale a mail is written in, from `Accept-Language` (RFC 9110, section 12.5.4; RFC 4647, lookup)."""

import re
from collections.abc import Sequence
from typing import Final

MAX_RANGES: Final = 32
"""Ranges of a header that are looked at; no person reads more languages."""

_RANGE: Final = re.compile(r"(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)", re.IGNORECASE | re.ASCII)
_WEIGHT: Final = re.compile(r"[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE | re.ASCII)


def negotiate(header: str | None, supported: Sequence[str]) -> str:
    """The locale of `supported` that `header` likes best; the first one when nothing fits.

    Ranges are tried by falling weight, then in their order. `de-AT` finds `de` (RFC 4647 lookup: subtags are dropped from
    the end), `*` the first locale that no range excludes. A range with weight 0 excludes itself. A malformed range
    is as if it were not there. Several headers of the name are joined by ", " before (RFC 9110, section 5.3).
    """
    if not header:
        return supported[0]
    ranges = _ranges(header)
    refused = {tag for tag, weight in ranges if weight == 0}
    wanted = sorted((item for item in ranges if item[1] > 0), key=lambda item: -item[1])
    candidates = [locale for locale in supported if locale.lower() not in refused]
    for tag, _ in wanted:
        found = candidates[:1] if tag == "*" else _lookup(tag, candidates)
        if found:
            return found[0]
    return supported[0]


def _ranges(header: str) -> list[tuple[str, float]]:
    found = []
    for item in header.split(",")[:MAX_RANGES]:
        text = item.strip(" \t")
        tag = _RANGE.match(text)
        if tag is None:
            continue
        rest = text[tag.end() :]
        weight = _WEIGHT.fullmatch(rest)
        if rest and weight is None:
            continue
        found.append((tag[1].lower(), float(weight[1]) if weight else 1.0))
    return found


def _lookup(tag: str, candidates: Sequence[str]) -> list[str]:
    while tag:
        found = [locale for locale in candidates if locale.lower() == tag]
        if found:
            return found
        tag = tag.rpartition("-")[0]
        if re.search(r"-[a-z0-9]\Z", tag):
            tag = tag[:-2]  # RFC 4647, 3.4: a single-character subtag goes with the one that it introduced
    return []
