"""A killed runner: of its servers nothing is left, however busy or suspended they are."""

import time
from pathlib import Path

import pytest

from seatrial.processes import proctree
from seatrial.processes.supervisor_test import runner
from seatrial.stores import postgres_burial
from seatrial.waiting import until

# One server whose backends compute, wait for a lock and wait for their client; one that is suspended.
SERVERS = """
import threading
import psycopg
from seatrial.processes import proctree
from seatrial.stores.postgres_server import PostgresServer
busy = PostgresServer(Path(sys.argv[1])).start()
paused = PostgresServer(Path(sys.argv[1]), name="paused", killable=True, scope="test").start()
connections = [server.database().connect() for server in (busy, busy, busy, paused)]
connections[0].execute("SELECT pg_advisory_lock(1)")
for connection, statement in (
    (connections[1], "SELECT count(*) FROM generate_series(1, 1000000000000)"),
    (connections[2], "SELECT pg_sleep(1000)"),
):
    connection.pgconn.send_query(statement.encode())
    connection.pgconn.flush()
paused.pause()
servers = [server.process.pid for server in (busy, paused)]
family = [each.pid for pid in servers for each in proctree.descendants(pid)]
print(busy.place.path, paused.place.path, *servers, *family, flush=True)
"""


def segments() -> set[int]:
    """The processes that made a shared memory segment which is still there."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()
    column = lines[0].split().index("cpid")
    return {int(line.split()[column]) for line in lines[1:]}


def expect_nothing(places: list[Path], pids: list[int]) -> None:
    def left() -> list[object]:
        return [
            *(str(each) for pid in pids if (each := proctree.info(pid)) is not None and not each.zombie),
            *(place for place in places if place.exists()),
            *(segments() & set(pids)),
        ]

    until("nothing to be left", lambda: left() == [])


@pytest.mark.parametrize("end", ["killed", "forgot them", "closed them"])
def test_nothing_is_left_of_the_servers_of_a_runner(tmp_path: Path, end: str) -> None:
    last = {"killed": "signal.pause()", "forgot them": "", "closed them": "paused.close()\nbusy.close()\n"}[
        end
    ]
    with runner(SERVERS + last, str(tmp_path)) as process:
        assert process.stdout is not None
        one, two, *words = process.stdout.readline().split()
        pids = [int(word) for word in words]
        if end == "killed":
            process.kill()
        started = time.monotonic()
        process.wait()
        expect_nothing([Path(one), Path(two), Path(one).parent], pids)
        # The limit is one second; this leaves room for a machine that does something else.
        assert time.monotonic() - started < 5


def test_only_what_is_ours_is_buried(tmp_path: Path) -> None:
    other = tmp_path / "place-of-another"
    other.mkdir()
    assert postgres_burial.workers(str(tmp_path / "place")) == []
    (tmp_path / "place" / "data").mkdir(parents=True)
    (tmp_path / "place" / "data" / "postmaster.pid").write_text("1\n\n\n\n\n\n 7 0\nready\n")
    assert postgres_burial.segment(str(tmp_path / "place" / "data")) is None
    postgres_burial.bury(str(tmp_path / "place"))
    assert not (tmp_path / "place").exists()
    assert other.exists()
