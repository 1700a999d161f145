"""Target: `quarantine.toml`."""

import atexit
import tempfile
from datetime import date
from pathlib import Path

from seatrial.rules.quarantine import FILE_NAME, QuarantineError, load

FOLDER = tempfile.TemporaryDirectory(prefix="seatrial-fuzz-quarantine-")
atexit.register(FOLDER.cleanup)
FILE = Path(FOLDER.name) / FILE_NAME
(FILE.parent / "a_test.py").touch()
TODAY = date(2030, 1, 1)


def check(data: bytes) -> bool:
    """A file is refused with the reason, or each entry has a test, a reason, a link and a day that is near."""
    FILE.write_bytes(data)
    try:
        quarantines = load(FILE, today=TODAY)
    except QuarantineError as error:
        assert FILE_NAME in str(error)
        return False
    for entry in quarantines.entries:
        assert entry.reason
        assert "://" in entry.link
        assert (entry.until - TODAY).days <= 30
        found = quarantines.of(entry.test)
        assert found is not None
        assert found.covers(entry.test)
    return bool(quarantines.entries)
