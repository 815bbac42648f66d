"""`python -m tests.fault_harness [INJECTIONS]`, or `make faults`."""

import sys

from tests.fault_harness.harness import main

if __name__ == "__main__":
    sys.exit(main())
