"""Where a mail comes from: what the owner's own server says, and what DKIM itself says."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import cache

import authres
import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import provenance
from gateway.errors import DnsAway
from gateway.mail import parse
from gateway.model import Authentic
from gateway.provenance import Trust, authenticate, organisational_domain
from tests.corpus import CORPUS, needs_corpus

MX = "mx.example.org"
HEADER = Trust((MX,), frozenset({"ada@example.org"}))
BORDER = f"Received: from mail.linkedin.com (mail.linkedin.com [192.0.2.7]) by {MX} with ESMTPS id 1; now"
INSIDE = f"Received: from {MX} by imap.example.org with LMTP id 2; now"
BODY = [
    "Date: Mon, 23 Nov 2026 08:00:00 +0000",
    "From: Bob Stranger via LinkedIn <member@linkedin.com>",
    "Subject: Join my network on LinkedIn",
    "To: Ada Miller <ada@example.org>",
    "MIME-Version: 1.0",
    "Content-Type: text/plain",
]
PASS = "dkim=pass header.d=linkedin.com"


def mail(*head: str, body: list[str] = BODY) -> bytes:
    return ("\r\n".join([*head, *body]) + "\r\n\r\nHello.\r\n").encode()


def results(text: str, host: str = MX) -> str:
    return f"Authentication-Results: {host}; {text}"


def verdict(*head: str, trust: Trust = HEADER, body: list[str] = BODY) -> Authentic:
    return authenticate(parse(mail(*head, body=body)), trust).authentic


@pytest.mark.parametrize(
    "line",
    [
        results(PASS),
        results("dkim=pass header.i=@linkedin.com"),
        results("dkim=pass header.i=@mailb.linkedin.com"),
        results("dkim=pass (2048-bit key; unprotected) header.d=linkedin.com header.s=s header.b=abc"),
        results("dkim=fail header.d=esp.example; dkim=pass header.d=linkedin.com"),
        results("spf=softfail smtp.mailfrom=x@y.example; dkim=pass header.d=maile.linkedin.com"),
        f"Authentication-Results: {MX} 1; {PASS}",
        f"Authentication-Results:  {MX} ;\r\n\tdkim=pass\r\n header.d=linkedin.com",
        f"Authentication-Results: (note; this) {MX}; {PASS}",
        results("DKIM=PASS header.d=LinkedIn.COM"),
    ],
)
def test_an_aligned_pass_of_the_owners_own_server_counts(line: str) -> None:
    assert verdict(line, BORDER) is Authentic.PASS


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (results("dkim=fail header.d=linkedin.com"), Authentic.FAIL),
        (results("dkim=permerror header.d=linkedin.com"), Authentic.FAIL),
        (results("dkim=temperror header.d=linkedin.com"), Authentic.NONE),
        (results("dkim=neutral header.d=linkedin.com"), Authentic.NONE),
        (results("dkim=none"), Authentic.NONE),
        (results("none"), Authentic.NONE),
        (results("dkim=pass header.d=linkedin.com.evil.example"), Authentic.NONE),
        (results("dkim=pass header.d=notlinkedin.com"), Authentic.NONE),
        (results("dkim=pass header.d=xn--linkedn-r9a.com"), Authentic.NONE),
        (results("dkim=pass header.d=sendgrid.example"), Authentic.NONE),
        (results("dkim=pass"), Authentic.NONE),
        (results("spf=pass smtp.mailfrom=x@linkedin.com; dmarc=pass header.from=linkedin.com"), Authentic.NONE),
        (results("x=(dkim=pass header.d=linkedin.com)"), Authentic.NONE),
        (results(PASS, "mx.evil.example"), Authentic.NONE),
        (results(PASS, f"{MX}.evil.example"), Authentic.NONE),
        (results(PASS, "example.org"), Authentic.NONE),
        (f"Authentication-Results: {PASS}", Authentic.NONE),
        (f"Authentication-Results: {MX} 2; {PASS}", Authentic.NONE),
        (f"X-Authentication-Results: {MX}; {PASS}", Authentic.NONE),
        (f"Authentication-Results: {MX}; dkim/2=pass header.d=linkedin.com", Authentic.NONE),
    ],
)
def test_nothing_else_is_taken_for_a_pass(line: str, outcome: Authentic) -> None:
    assert verdict(line, BORDER) is outcome


MINE = [
    line.replace("Bob Stranger via LinkedIn <member@linkedin.com>", "Ada Miller <Ada@example.org>") for line in BODY
]
LOGGED_IN = results("auth=pass smtp.auth=ada@example.org smtp.mailfrom=ada@example.org")


@pytest.mark.parametrize(
    ("head", "body", "outcome"),
    [
        ((LOGGED_IN, BORDER), MINE, Authentic.PASS),
        ((results("auth=pass (cram-md5) smtp.auth=Ada@Example.org"), BORDER), MINE, Authentic.PASS),
        ((LOGGED_IN, BORDER), BODY, Authentic.NONE),  # in whose name they wrote is another matter
        ((results("auth=pass smtp.auth=eve@example.org"), BORDER), MINE, Authentic.NONE),
        ((results("auth=pass smtp.mailfrom=ada@example.org"), BORDER), MINE, Authentic.NONE),
        ((results("auth=fail smtp.auth=ada@example.org"), BORDER), MINE, Authentic.NONE),
        ((results("auth=pass smtp.auth=ada@example.org", host="mx.evil.example"), BORDER), MINE, Authentic.NONE),
        ((BORDER, LOGGED_IN), MINE, Authentic.NONE),
        ((LOGGED_IN,), MINE, Authentic.NONE),
    ],
)
def test_a_mail_of_the_owners_is_theirs_if_their_server_says_they_were_logged_in(
    head: tuple[str, ...], body: list[str], outcome: Authentic
) -> None:
    assert verdict(*head, body=body) is outcome


PIECES = (
    *(MX, " ", "\t", "\n ", ";", "; ", "=", ".", "/", "@", "1", "2", "none", "dkim", "=pass", "dkim=pass", "spf=fail"),
    *(
        " header.d=linkedin.com",
        ' header.b="a b"',
        " smtp.mailfrom=a@b.example",
        " reason=",
        '"',
        "\\",
        "\\(",
        "(",
        ")",
    ),
    *("(google.com: a (nested) note)", " policy.dmarc=none", "DKIM=Pass", "ü", "\x00", " x-more=yes"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=500, deadline=None)
def test_a_line_is_read_as_authres_reads_it(written: str) -> None:
    for value in (written.strip(), f"{MX}; {PASS}{written}".strip()):
        try:
            header = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
        except (authres.core.AuthResError, authres.core.SyntaxError, ValueError, IndexError):
            header = None
        theirs = header and (str(header), [str(result) for result in header.results])

        read = [(str(one), [str(result) for result in one.results]) for one in _read(value)]
        assert read == ([theirs] if theirs else [])


def _read(value: str) -> Iterator[authres.AuthenticationResultsHeader]:
    return (header for _, header, _ in provenance._lines([("Authentication-Results", value)]))


def test_a_pattern_is_put_together_once() -> None:
    provenance._pattern.cache_clear()
    list(_read(f"{MX}; {PASS}; {PASS}"))
    patterns = provenance._pattern.cache_info().misses

    list(_read(f"{MX}; {PASS}; {PASS}"))

    assert 0 < patterns == provenance._pattern.cache_info().misses


def test_a_line_below_the_border_was_there_before_and_counts_for_nothing() -> None:
    assert verdict(BORDER, results(PASS)) is Authentic.NONE
    assert verdict(INSIDE, BORDER, results(PASS)) is Authentic.NONE


def test_inner_hops_do_not_hide_the_border() -> None:
    assert verdict(INSIDE, results(PASS), BORDER) is Authentic.PASS


def test_without_a_border_it_cannot_be_told_whose_line_it_is() -> None:
    assert verdict(results(PASS)) is Authentic.NONE
    elsewhere = "Received: from a.example by b.example with SMTP id 3; now"
    assert verdict(results(PASS), elsewhere) is Authentic.NONE


@pytest.mark.parametrize(
    ("hop", "outcome"),
    [
        (f"Received: from {MX} by mailstore7 (Cyrus) with LMTP; now", Authentic.PASS),
        (f"Received: from {MX} by compute5.internal with LMTP; now", Authentic.PASS),
        ("Received: by 2002:ab3:6c8:0:b0:1f7 with SMTP id x; now", Authentic.PASS),
        (f"Received: from {MX} by [10.0.0.7] with ESMTP; now", Authentic.PASS),
        (f"Received: from {MX} by mx.elsewhere.example with ESMTPS id 4; now", Authentic.NONE),
        ("Received: from evil.example by imap.elsewhere.example with ESMTPS id 4; now", Authentic.NONE),
    ],
)
def test_a_border_behind_a_strangers_server_may_be_made_up(hop: str, outcome: Authentic) -> None:
    assert verdict(hop, results(PASS), BORDER) is outcome


def test_without_a_configured_name_nothing_is_believed() -> None:
    assert verdict(results(PASS), BORDER, trust=Trust((), frozenset())) is Authentic.NONE


def test_a_forged_platform_header_proves_nothing() -> None:
    forged = ["X-LinkedIn-Class: INVITE-MBR", "X-LinkedIn-Template: inv_exp_member_02", *BODY]

    assert verdict(BORDER, body=forged) is Authentic.NONE


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        ("linkedin.com", "linkedin.com"),
        ("e.mail.linkedin.com", "linkedin.com"),
        ("news.example.co.uk", "example.co.uk"),
        ("example.org.", "example.org"),
    ],
)
def test_the_registered_part_of_a_domain(domain: str, registered: str) -> None:
    assert organisational_domain(domain) == registered


# Reply-To


def signature(fields: str = "From:To:Subject:Date:Reply-To", *, start: str = "abcd1234") -> str:
    return f"DKIM-Signature: v=1; a=rsa-sha256; d=linkedin.com; s=s1; h={fields}; bh=x; b={start}{'A' * 40}"


GENUINE = (results(f"{PASS} header.s=s1 header.b=abcd1234"), BORDER)
REPLY = "Reply-To: Bob Stranger <bob@example.net>"


def trusted(*head: str, body: list[str] = BODY) -> tuple[bool, str]:
    found = authenticate(parse(mail(*head, body=body)), HEADER)
    return found.reply_to_trusted, found.reply_to_why


def test_a_signed_reply_to_of_a_genuine_mail_is_trusted() -> None:
    assert trusted(*GENUINE, signature(), REPLY)[0]


def test_an_unsigned_reply_to_is_trusted_only_first_hand() -> None:
    spf = results(f"{PASS} header.s=s1 header.b=abcd1234; spf=pass smtp.mailfrom=b@bounce.linkedin.com")
    unsigned = signature("From:To:Subject:Date")

    assert trusted(spf, BORDER, unsigned, REPLY)[0]
    assert not trusted(*GENUINE, unsigned, REPLY)[0]


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ((BORDER, signature(), REPLY), "its origin is not proved"),
        ((*GENUINE, signature()), "not exactly one Reply-To"),
        ((*GENUINE, signature(), REPLY, REPLY), "not exactly one Reply-To"),
        ((*GENUINE, signature(), "Reply-To: a@example.net, b@example.net"), "not exactly one Reply-To"),
        ((*GENUINE, signature(), "Reply-To: x@reply.linkedin.com"), "nobody's own address"),
        ((*GENUINE, signature(), "Reply-To: no-reply@example.net"), "nobody's own address"),
        ((*GENUINE, signature("From:Subject:Date:Reply-To"), REPLY), "does not cover to whom"),
        ((*GENUINE, signature(), signature(), REPLY), "which of its signatures"),
        ((*GENUINE, signature(start="other123"), REPLY), "which of its signatures"),
    ],
)
def test_each_condition_keeps_an_answer_from_reply_to(head: tuple[str, ...], why: str) -> None:
    found, reason = trusted(*head)

    assert not found
    assert why in reason


def test_a_mail_replayed_to_somebody_else_is_not_answered() -> None:
    other = [line.replace("ada@example.org", "eve@example.org") for line in BODY]

    assert trusted(*GENUINE, signature(), REPLY, body=other) == (False, "it was sent to somebody else")


@pytest.mark.parametrize(
    ("fields", "own", "sent_to_owner"),
    [
        (["To: Ada Miller <ada@example.org>"], "ada@example.org", True),
        (["To: eve@example.net, ADA@example.org"], "ada@example.org", True),
        (["To: eve@example.net"], "ada@example.org", False),
        (["To: eve@example.net", "Cc: ada@example.org"], "ada@example.org", False),
        (["To: undisclosed-recipients:;"], "ada@example.org", False),
        ([], "ada@example.org", False),
        (["To: eve@example.net"], "", True),  # nobody said who the owner is
    ],
)
def test_a_mail_is_the_owners_only_if_to_says_so(fields: list[str], own: str, sent_to_owner: bool) -> None:
    body = [line for line in BODY if not line.startswith("To:")] + fields
    trust = Trust((MX,), frozenset({own} - {""}))

    assert authenticate(parse(mail(*GENUINE, body=body)), trust).sent_to_owner is sent_to_owner


def test_a_copy_that_somebody_added_vouches_for_no_recipient() -> None:
    other = [line.replace("ada@example.org", "eve@example.org") for line in BODY]

    assert trusted(*GENUINE, signature(), REPLY, "Cc: ada@example.org", body=other) == (
        False,
        "it was sent to somebody else",
    )


def test_a_signature_of_a_part_vouches_for_no_reply_to() -> None:
    partial = signature().replace("; bh=x", "; l=100; bh=x")

    assert trusted(*GENUINE, partial, REPLY) == (False, "the signature covers only a part of the mail")


def test_a_forged_signature_above_many_others_is_not_taken_for_the_one_that_passed() -> None:
    genuine, forged = signature("From:To:Subject:Date"), signature()
    padding = ["DKIM-Signature: v=1; d=other.example; s=x; b=x"] * 4

    assert trusted(*GENUINE, forged, *padding, genuine, REPLY) == (
        False,
        "it cannot be told which of its signatures was found good",
    )


# DKIM itself


@cache
def key() -> tuple[bytes, bytes]:
    """A private key, and the record that publishes its other half."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)


FIELDS = [b"from", b"to", b"subject", b"date", b"reply-to"]


def signed(raw: bytes, *, domain: str = "linkedin.com", fields: list[bytes] = FIELDS, **options: object) -> bytes:
    private, _ = key()
    made: bytes = dkim.sign(raw, b"s1", domain.encode(), private, include_headers=fields, **options)
    return made + raw


def resolve(name: str) -> bytes | None:
    return {"s1._domainkey.linkedin.com.": key()[1], "s1._domainkey.evil.example.": key()[1]}.get(name)


VERIFY = Trust((MX,), frozenset({"ada@example.org"}), resolve)
WITH_REPLY = mail(REPLY)


def checked(raw: bytes, trust: Trust = VERIFY) -> tuple[Authentic, bool]:
    found = authenticate(parse(raw), trust)
    return found.authentic, found.reply_to_trusted


def test_a_genuine_signature_holds_and_vouches_for_its_reply_to() -> None:
    assert checked(signed(WITH_REPLY)) == (Authentic.PASS, True)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(signed(WITH_REPLY).replace(b"Hello.", b"Hullo."), id="body changed"),
        pytest.param(signed(WITH_REPLY).replace(b"bob@example.net", b"eve@example.net"), id="reply-to changed"),
        pytest.param(signed(WITH_REPLY).replace(b"ada@example.org", b"eve@example.org"), id="recipient changed"),
        pytest.param(signed(WITH_REPLY, length=True) + b"more\r\n", id="a part signed, more behind"),
        pytest.param(b"From: Ada <ada@linkedin.com>\r\n" + signed(WITH_REPLY), id="a second From above"),
        pytest.param(b"Subject: Other\r\n" + signed(WITH_REPLY), id="a second Subject above"),
        pytest.param(signed(WITH_REPLY).replace(b"a=rsa-sha256", b"a=rsa-sha1"), id="sha-1"),
        pytest.param(b" x: y\r\n" + signed(WITH_REPLY), id="a header that begins with a space"),
    ],
)
def test_an_altered_mail_is_not_genuine(raw: bytes) -> None:
    authentic, reply_to = checked(raw)

    assert authentic is not Authentic.PASS
    assert not reply_to


def test_a_second_reply_to_above_a_signed_one_is_not_believed() -> None:
    raw = b"Reply-To: Eve <eve@example.net>\r\n" + signed(WITH_REPLY)

    assert not checked(raw)[1]


def test_an_added_reply_to_is_not_believed() -> None:
    without = signed(mail(), fields=[b"from", b"to", b"subject", b"date"])

    assert checked(b"Reply-To: Eve <eve@example.net>\r\n" + without) == (Authentic.PASS, False)


def test_a_signature_of_another_domain_proves_nothing_of_this_one() -> None:
    assert checked(signed(WITH_REPLY, domain="evil.example"))[0] is Authentic.NONE


def test_a_name_server_that_is_away_decides_nothing() -> None:
    def away(name: str) -> bytes | None:
        raise DnsAway(f"no name server answers for {name}")

    with pytest.raises(DnsAway):
        checked(signed(WITH_REPLY), Trust((MX,), frozenset(), away))


def test_a_header_is_not_believed_where_signatures_are_checked() -> None:
    assert checked(mail(results(PASS), BORDER))[0] is Authentic.NONE


@needs_corpus
def test_the_corpus_is_authenticated_as_its_labels_say() -> None:
    owner = json.loads((CORPUS / "world" / "owner.json").read_text("utf-8"))
    trust = Trust((owner["authserv_id"],), frozenset(owner["addresses"]))
    labels = [json.loads(line) for line in (CORPUS / "labels.jsonl").read_text("utf-8").splitlines()]

    found = [str(authenticate(parse((CORPUS / label["file"]).read_bytes()), trust).authentic) for label in labels]

    assert found == [label["authentic"] for label in labels]


def test_no_field_of_the_mail_itself_can_make_it_genuine() -> None:
    lines = [PASS, f"{MX}; {PASS}", f"i=1; {MX}; {PASS}"]
    names = ["Authentication-Results", "ARC-Authentication-Results", "Received-SPF", "X-Google-DKIM-Signature"]
    fields = [f"{name}: {line}" for name in names for line in lines]

    for field in fields:
        assert verdict(BORDER, field) is Authentic.NONE, field
        assert verdict(INSIDE, BORDER, field) is Authentic.NONE, field
