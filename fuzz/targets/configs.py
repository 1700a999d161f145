"""What holds for the configuration of every service: it is read, or every problem is told by name, with a remedy."""

import re
from typing import Final

from servicekit.config import ConfigError, ServiceConfig, load, variables

from targets.inputs import fields

LONG_WORD = re.compile(r"[0-9A-Za-z_-]{12,}")
"""What of a secret is long enough not to be in a reason by chance."""
COMMON = {
    "POSTGRES_DSN": "postgresql://u:p@db:5432/x", "REDIS_URL": "redis://redis:6379/0", "SIGNING_KEY": "A" * 43 + "=",
    "CODE_PEPPER": "A" * 43 + "=", "USER_ADAPTER": "stub", "MAIL_ADAPTER": "stub", "MAIL_STUB_FILE": "/mails",
    "USER_URL": "http://user", "ADMIN_EMAILS": "ops@example.test", "NETWORK": "games", "STATE_ROOT": "/state",
}  # fmt: skip
"""What must be given, so that an input need not; an empty value takes it away."""


_SECRETS: Final[dict[str, dict[str, bool]]] = {}


def _secret(kind: type[ServiceConfig], prefix: str) -> dict[str, bool]:
    """Whether a variable is a secret, by name; worked out once for each service."""
    if prefix not in _SECRETS:
        _SECRETS[prefix] = {variable.name: variable.secret for _, variable in variables(kind, prefix)}
    return _SECRETS[prefix]


def check(kind: type[ServiceConfig], prefix: str, data: bytes) -> bool:
    """Read an input, `VARIABLE=value` one a line without the service's prefix, beside what must be given."""
    secret = _secret(kind, prefix)
    names = secret.keys()
    environment = {f"{prefix}_{name}": value for name, value in COMMON.items() if f"{prefix}_{name}" in names}
    if "GAME_STATE_PATH" in names:
        environment["GAME_STATE_PATH"] = "/state"
    for name, value in fields(data).items():
        # As the system gives it: no zero, and bytes that are not UTF-8 as surrogates.
        full = name if name in names else f"{prefix}_{name}"
        if not full.endswith("_FILE"):
            environment[full] = value.replace(b"\0", b"").decode(errors="surrogateescape")
    try:
        config = load(kind, prefix, environment)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            name, colon, reason = problem.partition(": ")
            assert colon
            assert name in names, problem
            assert reason.endswith(")"), problem
            given = environment.get(name, "")
            assert not secret[name] or not any(word in reason for word in LONG_WORD.findall(given)), problem
        return False
    assert config.stop_timeout_ms >= 0
    assert config.log_level in {"DEBUG", "INFO", "WARNING", "ERROR"}
    return True
