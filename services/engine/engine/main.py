"""The entry point of the console script `engine`."""

from servicekit import boot


def main() -> int:
    """Runs the service; gives its exit status."""
    boot.begin()
    from servicekit.app import run

    from engine.service import SERVICE  # what it imports is what boots: with the collector off

    return run(SERVICE)
