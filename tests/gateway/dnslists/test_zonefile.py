"""Offline copies: what rbldnsd would answer from the same file."""

from ipaddress import ip_address

import pytest

from gateway.dnslists.zonefile import BadZoneFile, read_lines

IPS = """
$SOA 3600 ns.example.test admin.example.test 0 600 300 86400 300
# sources of spam
:127.0.0.2:Listed, see https://lists.example.test/?$
192.0.2.0/24
!192.0.2.7
198.51.100.9 :127.0.0.4:taken over
203.0.113   ; a /24 without writing it
:9:hijacked
2001:db8:bad::/48
"""


@pytest.mark.parametrize(
    ("ip", "answers"),
    [
        ("192.0.2.8", ("127.0.0.2",)),
        ("192.0.2.7", ()),
        ("198.51.100.9", ("127.0.0.4",)),
        ("198.51.100.10", ()),
        ("203.0.113.255", ("127.0.0.2",)),
        ("2001:db8:bad::1", ("127.0.0.9",)),
        ("2001:db8:bae::1", ()),
    ],
)
def test_addresses(ip: str, answers: tuple[str, ...]) -> None:
    assert read_lines(IPS.splitlines()).of_address(ip_address(ip)) == answers


NAMES = """
:127.0.1.2:spam
shop.example
.pills.example
!good.pills.example
*.wide.example :127.0.1.4:phish
"""


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("shop.example", ("127.0.1.2",)),
        ("www.shop.example", ()),
        ("pills.example", ("127.0.1.2",)),
        ("a.b.pills.example", ("127.0.1.2",)),
        ("good.pills.example", ()),
        ("deep.wide.example", ("127.0.1.4",)),
        ("example", ()),
    ],
)
def test_names(name: str, answers: tuple[str, ...]) -> None:
    assert read_lines(NAMES.splitlines()).of_name(name) == answers


@pytest.mark.parametrize("line", ["http://shop.example/", "192.0.2.0/33", "!", "a@b.example", "192.0.2.999"])
def test_what_is_no_entry_is_named_by_its_line(line: str) -> None:
    with pytest.raises(BadZoneFile, match="line 2: "):
        read_lines(["shop.example", line])
