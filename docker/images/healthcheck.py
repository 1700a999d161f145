"""Health check of the service images: one GET to the listener that SEATRIAL_HEALTHCHECK names, `<variable>/<path>`.

Only `socket` is imported: a check runs every few seconds in every container.
"""

import os
import socket
import sys

variable, _, path = os.environ["SEATRIAL_HEALTHCHECK"].partition("/")
host, _, port = os.environ[variable].rpartition(":")
here = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - what every interface means from inside
request = f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
answer = b""
with socket.create_connection((here.get(host, host.strip("[]")), int(port)), timeout=2) as connection:
    connection.sendall(request.encode())
    while part := connection.recv(4096):
        answer += part
head, _, body = answer.decode("latin-1").partition("\r\n\r\n")
sys.stdout.write(body)
sys.exit(0 if head.startswith("HTTP/1.1 200 ") else 1)
