"""The smallest honest server, booted by every harness that a bench compares.

It listens on the address in its first argument, takes the instant at which it could serve, tells whoever listens
(``sd_notify`` if ``NOTIFY_SOCKET`` is set, and the line ``ready`` on stdout), and answers any HTTP request
with that instant: nanoseconds of the monotonic clock, which all processes of a machine share.
"""

import os
import signal
import socket
import sys
import time


def main() -> None:
    """Serve until SIGTERM."""
    host, _, port = sys.argv[1].rpartition(":")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen(64)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ready_at = time.monotonic_ns()
    notify = os.environ.get("NOTIFY_SOCKET")
    if notify:
        address = "\0" + notify[1:] if notify.startswith("@") else notify
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.sendto(b"READY=1", address)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    body = str(ready_at).encode()
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    while True:
        connection, _ = listener.accept()
        with connection:
            if connection.recv(4096):
                connection.sendall(answer)


if __name__ == "__main__":
    main()
