"""Target: `tiers.toml`."""

import atexit
import tempfile
from pathlib import Path

from seatrial import tier
from seatrial.tier import TierError

FOLDER = tempfile.TemporaryDirectory(prefix="seatrial-fuzz-tiers-")
atexit.register(FOLDER.cleanup)
FILE = Path(FOLDER.name) / tier.FILE_NAME


def check(data: bytes) -> bool:
    """A file is refused with the file, a key, a reason and a remedy in one line, or it describes tiers that hold together."""
    FILE.write_bytes(data)
    try:
        tiers = tier.load(FILE)
    except TierError as error:
        assert str(error).startswith(f"{FILE}: ")
        assert error.key
        assert error.reason
        assert error.remedy
        return False
    assert len(tier.table(tiers, ()).splitlines()) == 2 + len(list(tiers))
    for each in tiers:
        assert each.triggers
        assert each.budget > 0
        assert set(each.includes) <= set(tiers.tiers)
        assert all(
            run.environment in tiers.environments and bool(run.paths) != bool(run.command)
            for run in each.runs
        )
    return True
