"""The console script's function, as every service has one."""

from servicekit import boot


def main() -> int:
    """Run the sample; gives its exit status."""
    boot.begin()
    from sample.service import SERVICE
    from servicekit.app import run

    return run(SERVICE)
