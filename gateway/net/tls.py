"""TLS for our listeners: the operator's certificate, or one we sign ourselves so that STARTTLS works at once."""

import os
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID = timedelta(days=825)


class TlsUnusable(Exception):
    """Certificate or key cannot be loaded; the text says which and why."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.2 or later (RFC 8996). Raises TlsUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsUnusable(f"cannot use {certificate} with {key}: {error}") from error
    return context


def self_signed(folder: Path, hostname: str, now: datetime) -> tuple[Path, Path]:
    """Certificate and key in ``folder``, made when there are none yet. Good for STARTTLS, not for trust."""
    certificate, key = folder / "self-signed.pem", folder / "self-signed.key"
    if not (certificate.exists() and key.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + VALID)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
            .sign(private, hashes.SHA256())
        )
        plain = serialization.NoEncryption()
        secret = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        _put(key, secret, 0o600)
        _put(certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate, key


def _put(path: Path, octets: bytes, mode: int) -> None:
    """Write a file whole or not at all; the certificate comes last, so a pair is never half there."""
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    draft.replace(path)
