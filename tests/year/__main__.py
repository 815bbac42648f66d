"""python -m tests.year: a whole year of an owner's, in minutes."""

import sys

from tests.year.harness import main

if __name__ == "__main__":
    sys.exit(main())
