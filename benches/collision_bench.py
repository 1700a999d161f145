"""Do two test runs, side by side, ever take each other's ports?"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

BOOTS_PER_RUN = 500
WORKERS = 4

# Every boot checks that the server behind its address is its own child: the child answers with its pid.
SUITE = '''
import http.client
import sys

import pytest

from seatrial import Listener, Service, TcpProbe
from seatrial.builds.binary import Command

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(os.getpid()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
host, _, port = sys.argv[1].rpartition(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
SERVICE = Service(
    name="server",
    binary=Command(sys.executable, "-I", "-S", "-c", SERVER),
    arguments=("{server.address}",),
    listeners=(Listener(name="server", kind="reserved"),),
    readiness=TcpProbe("server"),
    clean_exits=(0, -15),
    log_format="plain",
)

@pytest.mark.parametrize("boot", range(%(boots)d))
def test_the_server_is_mine(environment, boot):
    process = environment.start(SERVICE)
    connection = http.client.HTTPConnection(str(process.address("server")), timeout=10)
    connection.request("GET", "/")
    answered = int(connection.getresponse().read())
    connection.close()
    assert answered == process.pid
'''


def test_two_runs_side_by_side_boot_a_thousand_servers(tmp_path: Path, rounds: Any) -> None:
    """Two `pytest -n 4`, 500 boots each: a port taken twice, or a foreign answer, fails a test of theirs."""
    boots = sum(1 for _ in rounds(BOOTS_PER_RUN))
    runs = []
    for side in ("left", "right"):
        directory = tmp_path / side
        directory.mkdir()
        (directory / "pytest.ini").write_text("[pytest]\n")
        (directory / "boots_test.py").write_text(SUITE % {"boots": boots})
        plugins = ["-p", "xdist.plugin", "-p", "seatrial.plugin", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "-q", *plugins, "-n", str(WORKERS), "boots_test.py"]
        runs.append(
            subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    for run in runs:
        output, _ = run.communicate(timeout=1200)
        passed = re.search(r"(\d+) passed", output)
        assert run.returncode == 0, output[-4000:]
        assert passed, output[-4000:]
        assert int(passed[1]) == boots
