"""`python -m sample`."""

import sys

from sample.main import main

if __name__ == "__main__":
    sys.exit(main())
