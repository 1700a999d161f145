"""Target: the whole configuration of authsession."""

from authsession.config import PREFIX, Config

from targets import configs


def check(data: bytes) -> bool:
    """Read variables as `targets.configs` says."""
    return configs.check(Config, PREFIX, data)
