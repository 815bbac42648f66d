"""A thousand forged notifications of every sort: none of them is answered, none is decided."""

from __future__ import annotations

import random
from collections.abc import Iterator

from gateway.cases import Cases
from gateway.config import Config
from gateway.mail import parse
from gateway.model import Verdict
from gateway.networks import recognise
from gateway.owner import for_reading
from gateway.pipeline import judge
from tests.notifications import MX, linkedin, old_linkedin

SEED = 20261123
COUNT = 1000
_VICTIM = b"press@bystander.example"


def forgeries() -> Iterator[bytes]:
    """Mails that somebody who is not the network could write, mixed from every trick at once."""
    chance = random.Random(SEED)
    for number in range(COUNT):
        name = chance.choice(["Bob Stranger", "Carla Known", "Ada Miller", "Боб Странник", "B\u202eob"])
        form = chance.choice(["old", "new"])
        raw = old_linkedin(name, f"p{number}@bystander.example") if form == "old" else linkedin(name)
        for trick in chance.sample(TRICKS, chance.randint(1, 3)):
            raw = trick(raw, chance)
        # Whatever else was tried: the owner's server did not find the network's own signature good.
        yield _without_a_pass(raw, chance)


def _without_a_pass(raw: bytes, chance: random.Random) -> bytes:
    genuine = f"{MX}; dkim=pass header.d=linkedin.com".encode()
    others = [
        f"{MX}; dkim=fail header.d=linkedin.com",
        f"{MX}; dkim=pass header.d=linkedin.com.login.example",
        f"{MX}; dkim=none",
        f"{MX}; spf=pass smtp.mailfrom=x@linkedin.com",
        "mx.sender.example; dkim=pass header.d=linkedin.com",
        f"{MX}.sender.example; dkim=pass header.d=linkedin.com",
    ]
    return raw.replace(genuine, chance.choice(others).encode())


def _reply_to(raw: bytes, _chance: random.Random) -> bytes:
    return b"Reply-To: Victim <" + _VICTIM + b">\r\n" + raw


def _own_line_below(raw: bytes, _chance: random.Random) -> bytes:
    forged = f"Authentication-Results: {MX}; dkim=pass header.i=@linkedin.com\r\n".encode()
    return raw.replace(b"DKIM-Signature:", forged + b"DKIM-Signature:", 1)


def _look_alike(raw: bytes, chance: random.Random) -> bytes:
    domain = chance.choice([b"linkedin.com.login.example", b"linkedln.com", b"xn--lnkedin-c9a.com", b"linkedin.com."])
    return raw.replace(b"@linkedin.com>", b"@" + domain + b">")


def _second_from(raw: bytes, _chance: random.Random) -> bytes:
    return b"From: Bob <invitations@linkedin.com>\r\n" + raw


def _arc(raw: bytes, _chance: random.Random) -> bytes:
    return f"ARC-Authentication-Results: i=1; {MX}; dkim=pass header.d=linkedin.com\r\n".encode() + raw


def _other_recipient(raw: bytes, _chance: random.Random) -> bytes:
    return raw.replace(b"ada@example.org", b"eve@example.org")


TRICKS = [_reply_to, _own_line_below, _look_alike, _second_from, _arc, _other_recipient]


def test_no_forged_notification_is_answered_or_decided() -> None:
    settings = {
        "me": {"name": "Ada Miller", "addresses": "ada@example.org", "contact": "ada@example.org"},
        "authentication": {"authserv_id": MX},
    }
    owner, _ = for_reading(Config.model_validate(settings))

    judgements = [judge(parse(raw), owner, Cases()) for raw in forgeries()]

    assert len(judgements) == COUNT
    assert {judgement.decision.verdict for judgement in judgements} <= {Verdict.HUMAN, Verdict.IGNORE}
    assert [judgement.reply for judgement in judgements if judgement.reply] == []


def test_the_forgeries_are_good_enough_to_be_recognised() -> None:
    recognised = sum(recognise(parse(raw)) is not None for raw in forgeries())

    assert recognised > COUNT / 2
