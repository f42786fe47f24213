"""There and back again."""

from ipaddress import ip_address

import pytest

from gateway.dns.zone import Zone, ZoneResolver
from gateway.mailauth.iprev import check_iprev

PTR = "1.2.0.192.in-addr.arpa"


@pytest.mark.parametrize(
    ("names", "fail", "result", "name"),
    [
        pytest.param({PTR: {"PTR": ["a.test"]}, "a.test": {"A": ["192.0.2.1"]}}, [], "pass", "a.test", id="pass"),
        pytest.param(
            {PTR: {"PTR": ["b.test", "a.test"]}, "a.test": {"A": ["192.0.2.9", "192.0.2.1"]}},
            [],
            "pass",
            "a.test",
            id="second-name",
        ),
        pytest.param({PTR: {"PTR": ["a.test"]}, "a.test": {"A": ["192.0.2.9"]}}, [], "fail", "a.test", id="elsewhere"),
        pytest.param({PTR: {"PTR": ["a.test"]}}, [], "fail", "a.test", id="name-without-address"),
        pytest.param({}, [], "permerror", "", id="no-name"),
        pytest.param({}, [f"PTR {PTR}"], "temperror", "", id="no-answer"),
        pytest.param({PTR: {"PTR": ["a.test"]}}, ["A a.test"], "temperror", "a.test", id="no-answer-on-the-way-back"),
    ],
)
async def test_iprev(names: dict[str, dict[str, list[str]]], fail: list[str], result: str, name: str) -> None:
    found = await check_iprev(ip_address("192.0.2.1"), ZoneResolver(Zone.of(names, fail=fail)))
    assert (found.result, found.name) == (result, name)


async def test_ipv6() -> None:
    ip = ip_address("2001:db8::1")
    names = {ip.reverse_pointer: {"PTR": ["a.test"]}, "a.test": {"AAAA": ["2001:DB8:0::1"]}}
    assert (await check_iprev(ip, ZoneResolver(Zone.of(names)))).result == "pass"


async def test_a_host_with_many_names_costs_little() -> None:
    resolver = ZoneResolver(Zone.of({PTR: {"PTR": [f"n{n}.test" for n in range(100)]}}))
    assert (await check_iprev(ip_address("192.0.2.1"), resolver)).result == "fail"
    assert resolver.asked.total() == 6
