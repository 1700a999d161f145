"""Coverage-guided runs of the fuzz targets: `nox -s fuzz -- [TARGET...] [--seconds N] [--jobs 2] [--keep]`."""

import signal
import sys

from runner.command import main

if __name__ == "__main__":
    # A shell makes its background jobs deaf to SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
