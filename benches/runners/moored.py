"""A run that has a network, a volume, a container, and a tag of an image in the engine: `moored.py IMAGE`.

It says its id when all are there, and ends at the end of its standard input, or when it is killed.
"""

import sys

from seatrial import Environment
from seatrial.containers import ownership

WAITS = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done"]


def main() -> None:
    """Moor, say so, wait, cast off."""
    (image,) = sys.argv[1:]
    with Environment.open("moored") as environment:
        network, volume = environment.network(), environment.volume()
        environment.container(image, command=WAITS, network=network, mounts={"/hold": volume})
        with environment.engine.engine.tagged(image, "seatrial-bench", "1.0.0"):
            sys.stdout.write(f"{ownership.run()}\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main()
