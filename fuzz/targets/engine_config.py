"""Target: the whole configuration of engine."""

from engine.config import PREFIX, Config

from targets import configs


def check(data: bytes) -> bool:
    """Read variables as `targets.configs` says."""
    return configs.check(Config, PREFIX, data)
