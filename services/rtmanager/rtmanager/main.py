"""The entry point of the console script `rtmanager`."""

from servicekit import boot


def main() -> int:
    """Run the service, or `rtmanager migrate`; give the exit status."""
    boot.begin()
    from servicekit.app import run

    from rtmanager.service import SERVICE  # what it imports is what boots: with the collector off

    return run(SERVICE)
