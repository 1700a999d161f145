"""Child processes that do not outlive the tests."""

import shutil
from collections.abc import Sequence


def bound_to_us(user: str | None = None, group: str | None = None) -> Sequence[str]:
    """Give the words before a command that make it end when the thread that started it does, as ``user`` if given.

    prctl(2), PR_SET_PDEATHSIG, by setpriv(1) of util-linux: it is for Linux, elsewhere nothing is added.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if user is not None:
            raise AssertionError(
                "setpriv is missing (install util-linux): as root, PostgreSQL needs another user"
            )
        return ()
    identity = () if user is None else ("--reuid", user, "--regid", group or user, "--clear-groups")
    return (setpriv, "--pdeathsig", "KILL", *identity, "--")
