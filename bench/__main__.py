"""What rsvpd costs, beside the physical limit and the programs people would use instead.

    python -m bench [PART ...]      (make bench: all of them; about half an hour on two cores)

Prints a table, writes bench/results.json and bench/machine.json, and ends with "met=N missed=N".
"""

from __future__ import annotations

import sys

from bench import arrival, catchup, crowd, intake, judging, ledger, people, reading, start
from bench.measure import report, run, write

# The quick ones first.
PARTS = (start, reading, judging, intake, arrival, people, ledger, crowd, catchup)


def main(names: list[str]) -> None:
    known = {part.__name__.rpartition(".")[2]: part for part in PARTS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"no part is called {unknown[0]!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in names] or list(known.values())
    found = run([part.measures for part in chosen], lambda text: print(text, file=sys.stderr, flush=True))
    report(found)
    write(found)
    met = sum(one.met for one in found)
    print(f"met={met} missed={len(found) - met}")


if __name__ == "__main__":
    main(sys.argv[1:])
