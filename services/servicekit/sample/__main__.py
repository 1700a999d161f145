"""The entry point, as every service has one."""

import sys

from servicekit import boot


def main() -> int:
    """Run the sample; gives its exit status."""
    boot.begin()
    from sample.service import SERVICE
    from servicekit.app import run

    return run(SERVICE)


if __name__ == "__main__":
    sys.exit(main())
