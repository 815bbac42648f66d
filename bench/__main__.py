"""What rsvpd costs, beside the physical limit and the programs people would use instead.

    python -m bench [PART ...]      (make bench: all of them; half an hour on two cores)

Prints a table, writes bench/results.json and bench/machine.json, and ends with "met=N missed=N". What is there only to
be compared counts as neither. A part that breaks off is named, and does not stop the others; the exit status is 1 then.
"""

from __future__ import annotations

import sys

from bench import arrival, catchup, crowd, intake, judging, ledger, people, reading, start
from bench.measure import Part, report, run, tally, write_machine

# The quick ones first.
PARTS: dict[str, Part] = {
    "start": start.measures,
    "reading": reading.measures,
    "judging": judging.measures,
    "intake": intake.measures,
    "arrival": arrival.measures,
    "people": people.measures,
    "ledger": ledger.measures,
    "catchup": catchup.measures,
    "catchup-far": catchup.far,
    "catchup-large": catchup.large,
    "crowd": crowd.measures,
}


def main(names: list[str]) -> None:
    if unknown := [name for name in names if name not in PARTS]:
        sys.exit(f"no part is called {unknown[0]!r}; there are {', '.join(PARTS)}")
    write_machine()
    found = run({name: PARTS[name] for name in names or PARTS})
    report(found.measures)
    if found.failed:
        print(f"failed: {', '.join(found.failed)}")
    print(tally(found.measures))
    sys.exit(1 if found.failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
