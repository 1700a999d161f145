"""Health check of the redis image: a PING; a server that wants a password first is well, too."""

import socket
import sys

with socket.create_connection(("127.0.0.1", 6379), timeout=2) as connection:
    connection.sendall(b"PING\r\n")
    answer = connection.recv(64)
sys.exit(0 if answer.startswith((b"+PONG", b"-NOAUTH")) else f"PING was answered by {answer!r}")
