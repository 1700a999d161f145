"""Request ids: one name for a request in every service's answers and logs."""

import os
import re
from typing import Final

_FORM: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def accept_or_create(given: str | None) -> str:
    """Take over a caller's id if it has 1 to 128 characters of ``A-Z a-z 0-9 . _ : -``, else make one of 128 random bits."""
    if given is not None and _FORM.fullmatch(given) is not None:
        return given
    return os.urandom(16).hex()
