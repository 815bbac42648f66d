"""Certificates for the tests' servers, made anew each time."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate that signs for itself, so that its file is the authority clients trust, too."""

    chain: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, *, host: str = HOST, days: int = 1) -> Certificate:
        """A certificate for a host that is valid for some days; one of -1 day has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        today = dt.datetime.now(dt.UTC)
        alternative: x509.GeneralName = x509.DNSName(host)
        if host[-1].isdigit():
            alternative = x509.IPAddress(ipaddress.ip_address(host))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=2))
            .not_valid_after(today + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(key, SHA256())
        )
        made = cls(folder / f"{host}.pem", folder / f"{host}.key")
        made.chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        made.key.touch(mode=0o600)
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context
