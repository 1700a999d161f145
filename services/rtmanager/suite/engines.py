"""Engine images: two versions of the real one, and one that misbehaves on demand."""

import io
import json
from typing import Final
from urllib.request import urlopen

from docker import APIClient

#: GET /eat takes memory until it is killed, /crash ends with status 7, /sick makes /healthz fail and /well mends it.
_ODD: Final = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    sick = False
    def do_GET(self):
        if self.path == '/crash':
            os._exit(7)
        if self.path == '/eat':
            taken = []
            while True:
                taken.append(bytearray(1 << 20))
        if self.path in ('/sick', '/well'):
            Handler.sick = self.path == '/sick'
        self.send_response(500 if Handler.sick and self.path == '/healthz' else 200)
        self.send_header('content-length', '0')
        self.end_headers()
    def log_message(self, *arguments):
        pass

HTTPServer(('0.0.0.0', 8080), Handler).serve_forever()
"""
_BROKEN: Final = "raise SystemExit(3)"


def build(client: APIClient, base: str, tag: str, labels: dict[str, str], *, program: str) -> None:
    """Make an image from the real engine's, with another program."""
    entrypoint = json.dumps(["python3", "-I", "-u", "-c", program])
    lines = [
        f"FROM {base}",
        f"ENTRYPOINT {entrypoint}",
        "HEALTHCHECK NONE",
        'LABEL seatrial.engine.memory="48m"',
    ]
    output = client.build(
        fileobj=io.BytesIO("\n".join(lines).encode()),
        tag=tag,
        labels=labels,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for line in output:
        assert "error" not in line, line["error"]


def build_odd(client: APIClient, base: str, tag: str, labels: dict[str, str]) -> None:
    """Make the one that misbehaves on demand."""
    build(client, base, tag, labels, program=_ODD)


def build_broken(client: APIClient, base: str, tag: str, labels: dict[str, str]) -> None:
    """Make the one that ends with status 3 at once."""
    build(client, base, tag, labels, program=_BROKEN)


def ask(address: str, path: str) -> None:
    """Send a GET to an engine; it may die of it."""
    try:
        with urlopen(f"http://{address}:8080{path}", timeout=10) as answer:
            answer.read()
    except OSError:
        assert path in {"/crash", "/eat"}, f"{path}: no answer"
