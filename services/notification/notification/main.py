"""The entry point of the console script `notification`."""

from servicekit import boot


def main() -> int:
    """Runs the service, or with the argument `migrate` its migrations; gives the exit status."""
    boot.begin()
    from servicekit.app import run

    from notification.service import SERVICE  # what it imports is what boots: with the collector off

    return run(SERVICE)
