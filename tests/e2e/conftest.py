"""One gateway for the tests that only look; tests that break things start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dns.zone import Zone
from tests.support.gateway import Gateway, dns_server, serving

ZONE = Zone.of(
    {
        "partner.example": {"MX": ["10 mx.partner.example"], "TXT": ["v=spf1 ip4:198.51.100.0/24 -all"]},
        "_dmarc.partner.example": {"TXT": ["v=DMARC1; p=reject"]},
        "mx.partner.example": {"A": ["198.51.100.25"]},
        "25.100.51.198.in-addr.arpa": {"PTR": ["mx.partner.example"]},
        "bank.example": {"TXT": ["v=spf1 -all"]},
        "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
)


@pytest.fixture(scope="session")
def dns() -> Iterator[str]:
    """A real DNS server over UDP and TCP."""
    with dns_server(ZONE) as address:
        yield address


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, dns: str) -> Iterator[Gateway]:
    """Two workers, two people, one administrator."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    with serving(folder, dns, workers=2) as running:
        running.add_user("ana@example.com")
        running.add_user("ben@example.com")
        running.add_user("admin@example.com", "--admin")
        yield running
        assert running.failures() == []
