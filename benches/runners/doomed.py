"""A test runner that is about to be killed: it starts children, names them on stdout, and waits for its end."""

import json
import signal
import sys
from pathlib import Path

from seatrial import Environment, Listener, Service
from seatrial.builds.binary import Command

SERVER = Path(__file__).parent.parent / "servers" / "stamped_server.py"
# A grandchild in a session of its own, whose parent is gone: the kind that parent-death signals do not reach.
DAEMON = """
import os, signal, sys, time
if os.fork():
    os.wait()
    print("daemonised", flush=True)
    signal.pause()
os.setsid()
if os.fork():
    os._exit(0)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1], sys.argv[1] + ".done")
signal.pause()
"""


def main() -> None:
    """Start three servers and a daemon, print their pids and the temporary directory, wait."""
    from seatrial import LogLine, until

    with Environment.open(name="doomed", check=False) as environment:
        servers = [
            environment.spawn(
                Service(
                    name=f"server{index}",
                    binary=Command(sys.executable, "-I", "-S", str(SERVER)),
                    arguments=("{server.address}",),
                    listeners=(Listener(name="server", kind="reserved"),),
                    log_format="plain",
                )
            )
            for index in range(3)
        ]
        stamp = environment.directory / "daemon.pid"
        parent = environment.start(
            Service(
                name="parent",
                binary=Command(sys.executable, "-I", "-S", "-c", DAEMON, str(stamp)),
                readiness=LogLine("daemonised"),
                log_format="plain",
            )
        )
        for server in servers:
            server.wait_ready()
        done = stamp.with_name(stamp.name + ".done")
        until("the daemon's pid", done.exists)
        pids = [server.pid for server in servers] + [parent.pid, int(done.read_text())]
        print(json.dumps({"pids": pids, "directory": str(environment.directory)}), flush=True)  # noqa: T201
        signal.pause()


if __name__ == "__main__":
    main()
