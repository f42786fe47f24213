"""What every resolver promises, whatever is behind it. Subclass it and give ``resolver`` over ``ZONE``."""

import pytest

from gateway.dns.resolver import Mx, Resolver, Status, Tlsa
from gateway.dns.zone import Zone

LONG = "v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(1, 250)) + " -all"  #: does not fit in one datagram

ZONE = Zone.of(
    {
        "example.test": {
            "A": ["192.0.2.1", "192.0.2.2"],
            "AAAA": ["2001:db8::1"],
            "MX": ["20 b.example.test", "10 a.example.test"],
            "TXT": ["v=spf1 -all", "x" * 300],
        },
        "null.example.test": {"MX": ["0 ."]},
        "alias.example.test": {"CNAME": ["www.example.test"]},
        "www.example.test": {"CNAME": ["example.test"]},
        "loop.example.test": {"CNAME": ["loop.example.test"]},
        "dangling.example.test": {"CNAME": ["nowhere.example.test"]},
        "long.example.test": {"TXT": [LONG]},
        "*.wild.example.test": {"TXT": ["wild"]},
        "one.wild.example.test": {"A": ["192.0.2.9"]},
        "_25._tcp.a.example.test": {"TLSA": ["3 1 1 " + "ab" * 32]},
        "1.2.0.192.in-addr.arpa": {"PTR": ["Host.Example.TEST."]},
        "xn--bcher-kva.test": {"A": ["192.0.2.5"]},
        "sp ace.example.test": {"TXT": ["odd"]},
    },
    fail=["TXT broken.example.test"],
)


class ResolverContract:
    """Tests run with a fixture named ``resolver``."""

    @pytest.mark.parametrize(
        ("name", "rdtype", "records"),
        [
            pytest.param("example.test", "A", {"192.0.2.1", "192.0.2.2"}, id="addresses"),
            pytest.param("EXAMPLE.test.", "a", {"192.0.2.1", "192.0.2.2"}, id="case-and-final-dot"),
            pytest.param("example.test", "AAAA", {"2001:db8::1"}, id="ipv6"),
            pytest.param("alias.example.test", "A", {"192.0.2.1", "192.0.2.2"}, id="aliases-are-followed"),
            pytest.param("alias.example.test", "CNAME", {"www.example.test"}, id="alias-itself"),
            pytest.param("1.2.0.192.in-addr.arpa", "PTR", {"host.example.test"}, id="pointer"),
            pytest.param("bücher.test", "A", {"192.0.2.5"}, id="internationalised"),
        ],
    )
    async def test_hosts(self, resolver: Resolver, name: str, rdtype: str, records: set[str]) -> None:
        answer = await resolver.query(name, rdtype)
        assert (answer.status, set(answer.hosts())) == (Status.OK, records)
        assert answer.ttl_s > 0

    @pytest.mark.parametrize(
        ("name", "rdtype", "status"),
        [
            pytest.param("nowhere.test", "A", Status.NXDOMAIN, id="no-such-name"),
            pytest.param("example.test", "TLSA", Status.NODATA, id="no-such-type"),
            pytest.param("_tcp.a.example.test", "A", Status.NODATA, id="empty-non-terminal"),
            pytest.param("dangling.example.test", "A", Status.NXDOMAIN, id="alias-to-nothing"),
            pytest.param("broken.example.test", "TXT", Status.SERVFAIL, id="broken-server"),
            pytest.param("loop.example.test", "A", Status.SERVFAIL, id="alias-loop"),
            pytest.param("two.one.wild.example.test", "TXT", Status.NXDOMAIN, id="wildcard-stops-at-a-name"),
            pytest.param("a..test", "A", Status.NXDOMAIN, id="empty-label"),
            pytest.param("a" * 64 + ".test", "A", Status.NXDOMAIN, id="long-label"),
            pytest.param("a." * 140 + "test", "A", Status.NXDOMAIN, id="long-name"),
            pytest.param("", "A", Status.NXDOMAIN, id="empty-name"),
            pytest.param("\ud800.test", "A", Status.NXDOMAIN, id="lone-surrogate"),
        ],
    )
    async def test_no_records(self, resolver: Resolver, name: str, rdtype: str, status: Status) -> None:
        answer = await resolver.query(name, rdtype)
        assert (answer.status, answer.records) == (status, ())

    async def test_text_is_joined_without_a_space(self, resolver: Resolver) -> None:
        answer = await resolver.query("example.test", "TXT")
        assert set(answer.txt()) == {b"v=spf1 -all", b"x" * 300}

    async def test_a_long_record_arrives_whole(self, resolver: Resolver) -> None:
        assert (await resolver.query("long.example.test", "TXT")).txt() == (LONG.encode(),)

    async def test_wildcard(self, resolver: Resolver) -> None:
        assert (await resolver.query("any.wild.example.test", "TXT")).txt() == (b"wild",)

    async def test_exchangers_come_in_order(self, resolver: Resolver) -> None:
        answer = await resolver.query("example.test", "MX")
        assert answer.mx() == (Mx(10, "a.example.test"), Mx(20, "b.example.test"))

    async def test_null_exchanger(self, resolver: Resolver) -> None:
        assert (await resolver.query("null.example.test", "MX")).mx() == (Mx(0, ""),)

    async def test_tlsa(self, resolver: Resolver) -> None:
        answer = await resolver.query("_25._tcp.a.example.test", "TLSA")
        assert answer.tlsa() == (Tlsa(3, 1, 1, b"\xab" * 32),)

    async def test_a_name_with_a_space_is_asked_as_it_stands(self, resolver: Resolver) -> None:
        assert (await resolver.query("sp ace.example.test", "TXT")).txt() == (b"odd",)
