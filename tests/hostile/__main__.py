"""`python -m tests.hostile [WORDS]`: what each hostile mail, or each with these words in its name, costs."""

import sys

from tests.hostile.bombs import bombs
from tests.hostile.measure import measured


def main() -> None:
    words = " ".join(sys.argv[1:])
    chosen = ((name, [make()]) for name, make in bombs() if words in name)
    for one in sorted(measured(chosen), key=lambda one: one.cpu):
        outcome = one.outcomes[0] if one.outcomes else None
        end = f"{len(outcome.letters)} answers, {outcome.told}" if outcome else one.end
        print(f"{one.cpu:6.2f} s {one.peak:5.0f} MB {one.size / 1000:9.1f} kB  {one.name}: {end}")


if __name__ == "__main__":
    main()
