"""English nouns as they stand behind a number."""


def plural(number: int, noun: str) -> str:
    """The noun for so many: "mail" for one, else "mails"."""
    return noun if number == 1 else f"{noun}s"
