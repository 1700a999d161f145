"""E-mail addresses: which ones mail is sent to, and how they are shown."""

import hashlib
import re
from typing import Final

MAX_OCTETS: Final = 254
"""Of an address (RFC 5321, section 4.5.3.1.3, less the angle brackets)."""

# No quoted local parts, lists, display names, spaces or line ends: the address goes into a header as it is.
_ADDRESS: Final = re.compile(
    r"""[^\s@<>()\[\],;:"\\\x00-\x1f\x7f-\x9f]+@[^\s@<>()\[\],;:"\\\x00-\x1f\x7f-\x9f]+"""
)


class InvalidAddress(ValueError):
    """A text is no e-mail address. The message does not quote it."""


def checked(text: str) -> str:
    """The address, unchanged. Raises InvalidAddress for one that cannot stand in a mail's header by itself."""
    if len(text.encode(errors="replace")) > MAX_OCTETS:
        raise InvalidAddress(f"has more than {MAX_OCTETS} octets")
    if _ADDRESS.fullmatch(text) is None:
        raise InvalidAddress("is not of the form local@domain")
    return text


def masked(address: str) -> str:
    """The address as support may see it: `ada@mail.example.test` is `a***@m***.test`."""
    local, _, domain = address.rpartition("@")
    host, dot, top = domain.rpartition(".")
    return f"{local[:1]}***@{(host or top)[:1]}***{dot}{top if dot else ''}"


def recipient_id(address: str) -> str:
    """What stands for an administrator's address where the address itself is not to be kept."""
    return f"admin:{hashlib.sha256(address.lower().encode()).hexdigest()[:16]}"
