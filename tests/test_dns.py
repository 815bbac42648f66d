"""Looking up keys: an answer, none, and no name server at all, each within the time that is allowed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from gateway.dns import txt
from gateway.errors import DnsAway
from tests.certificates import HOST

NAME = "s1._domainkey.linkedin.com."
Answer = Callable[[dns.message.Message], dns.message.Message | None]


@contextmanager
def name_server(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that the program asks; None is its silence."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))

        def serve() -> None:
            while True:
                try:
                    question, client = server.recvfrom(4096)
                except OSError:
                    return
                if said := answer(dns.message.from_wire(question)):
                    server.sendto(said.to_wire(), client)

        threading.Thread(target=serve, daemon=True).start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = [HOST], server.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        yield


def says(*texts: str, code: dns.rcode.Rcode = dns.rcode.NOERROR) -> Answer:
    def answer(question: dns.message.Message) -> dns.message.Message:
        said = dns.message.make_response(question)
        said.set_rcode(code)
        if texts:
            said.answer.append(dns.rrset.from_text(NAME, 60, "IN", "TXT", *texts))
        return said

    return answer


def test_the_strings_of_a_record_are_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with name_server(says('"v=DKIM1; p=AAA" "BBB"'), monkeypatch):
        assert txt(NAME) == b"v=DKIM1; p=AAABBB"


@pytest.mark.parametrize("code", [dns.rcode.NOERROR, dns.rcode.NXDOMAIN])
def test_a_name_without_a_record_has_no_key(code: dns.rcode.Rcode, monkeypatch: pytest.MonkeyPatch) -> None:
    with name_server(says(code=code), monkeypatch):
        assert txt(NAME) is None


def test_a_name_server_that_fails_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with name_server(says(code=dns.rcode.SERVFAIL), monkeypatch), pytest.raises(DnsAway):
        txt(NAME)


def test_a_name_server_that_is_silent_is_not_waited_for_longer_than_three_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = time.monotonic()

    with name_server(lambda _question: None, monkeypatch), pytest.raises(DnsAway, match="no name server answers"):
        txt(NAME)

    assert 2 < time.monotonic() - began < 30  # a busy machine may be late, but does not wait for ever
