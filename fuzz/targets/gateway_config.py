"""Target: the gateway's whole configuration."""

from gateway.config import Config

from targets import configs


def check(data: bytes) -> bool:
    """Read variables as `targets.configs` says."""
    return configs.check(Config, "GATEWAY", data)
