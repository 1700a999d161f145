"""Target: log lines of any process, as the harness reads and judges them."""

import atexit
import tempfile
from pathlib import Path

from seatrial.processes.logfile import LogFile

from targets.inputs import text

FOLDER = tempfile.TemporaryDirectory(prefix="seatrial-fuzz-log-")
atexit.register(FOLDER.cleanup)
PATH = Path(FOLDER.name) / "log"


def check(data: bytes) -> bool:
    """No line is lost and none is made up, whatever is in them; only a JSON object has fields."""
    PATH.write_bytes(data)
    log = LogFile(PATH)
    records = log.records()
    whole = data[: data.rfind(b"\n") + 1].decode("utf-8", "replace")
    lines = [line.removesuffix("\r") for line in whole.split("\n")[:-1]]
    assert "\n".join(record.line for record in records).split("\n") == (lines or [""])
    assert len(log.unexpected()) <= len(records) + 1
    fields = [record for record in records if record.fields]
    assert all(record.line.startswith("{") for record in fields)
    assert all(record.level is None or record.level == record.level.upper() for record in records)
    return bool(fields) and text(data) is not None
