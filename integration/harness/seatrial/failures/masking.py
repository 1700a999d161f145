"""Secrets stay out of everything that is kept: values are masked by the name of their variable."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

MASK = "***"
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PEPPER", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def mask_value(name: str, value: str) -> str:
    """The value as it may be shown: masked as a whole for a secret, else without a URL's password."""
    if is_secret(name):
        return MASK
    if "://" not in value or "@" not in value:
        return value
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError:
        return MASK
    if password is None:
        return value
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:{MASK}@{host}"))


def mask_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """A copy of an environment, sorted by name, that may be shown."""
    return {name: mask_value(name, environment[name]) for name in sorted(environment)}
