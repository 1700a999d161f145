"""The gateway's clock."""

import time


def unix_ms() -> int:
    """Unix milliseconds now."""
    return time.time_ns() // 1_000_000
