"""E-mail addresses: what counts as one, and when two are the same (RFC 5321, RFC 5322, RFC 6531)."""

import re
import unicodedata
from typing import Final

MAX_OCTETS: Final = 254
MAX_LOCAL_OCTETS: Final = 64

# RFC 5322's specials: only a quoted local part may hold them, or a display name or list need them.
_SPECIALS: Final = frozenset('()<>[]:;@\\,"')
_LABEL: Final = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")


class InvalidAddressError(ValueError):
    """Not an e-mail address; the text says why and never repeats the address."""


def normalise(text: str) -> str:
    """The one form of an address under which it is stored, compared, resolved and written to.

    NFC throughout, the local part casefolded, the domain in lower case. Mail goes to this form too, never to the
    form that was typed: otherwise the owner of a mailbox whose name merely folds to another one's could sign in
    as the other.

    Raises InvalidAddressError. Not accepted: quoted local parts, address literals, domains of one label, white space,
    control and format characters, more than 254 octets (64 in the local part) after normalisation.
    """
    if len(text) > MAX_OCTETS:
        raise InvalidAddressError(f"longer than {MAX_OCTETS} octets")
    if not all(unicodedata.category(character)[0] not in "ZC" for character in text):
        raise InvalidAddressError("white space, a control or an unassigned character in it")
    local, at, domain = text.rpartition("@")
    if not at:
        raise InvalidAddressError("no @ in it")
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFD", local).casefold())
    domain = unicodedata.normalize("NFC", unicodedata.normalize("NFD", domain).lower())
    if any(not atom or not _SPECIALS.isdisjoint(atom) for atom in local.split(".")):
        raise InvalidAddressError("the part before the @ is empty or malformed")
    labels = domain.split(".")
    if len(labels) < 2 or not all(map(_is_label, labels)):
        raise InvalidAddressError("the part after the @ is not a domain name")
    if len(local.encode()) > MAX_LOCAL_OCTETS or len(local.encode()) + 1 + len(domain.encode()) > MAX_OCTETS:
        raise InvalidAddressError(
            f"longer than {MAX_LOCAL_OCTETS} octets before the @, or {MAX_OCTETS} in all"
        )
    return f"{local}@{domain}"


def _is_label(label: str) -> bool:
    # A combining mark is no \w, but part of many an internationalised label: it counts as the letter it sits on. It must have
    # one (RFC 5891, section 4.2.3.2).
    if unicodedata.category(label[:1] or "_")[0] == "M":
        return False
    letters = "".join("a" if unicodedata.category(character)[0] == "M" else character for character in label)
    return "_" not in letters and _LABEL.fullmatch(letters) is not None
