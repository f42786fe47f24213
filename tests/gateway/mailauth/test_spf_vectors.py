"""The RFC 7208 test suite through our own path: restart on a miss, our resolver, our limits."""

from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.dns.resolver import normal_name
from gateway.dns.zone import Zone, ZoneResolver
from gateway.mailauth.spf import SpfIdentity, check_spf

_SUITE = Path(__file__).parent / "vectors" / "rfc7208-tests.yml"
_ASKABLE = ("A", "AAAA", "MX", "PTR", "TXT", "CNAME")
_DEFAULT_WORDS = "SPF fail - not authorized"


def _scenarios() -> list[Any]:
    rows = []
    for number, scenario in enumerate(yaml.safe_load_all(_SUITE.read_text("utf-8"))):
        for name, case in scenario["tests"].items():
            rows.append(pytest.param(scenario["zonedata"], case, id=f"{number:02}-{name}"))
    return rows


def _zone(zonedata: dict[str, Any]) -> Zone:
    names: dict[str, dict[str, list[str]]] = {}
    fail: list[str] = []
    for name, rows in zonedata.items():
        normal = normal_name(name)
        if normal is None:
            continue
        types = _types(rows)
        if rows and "TIMEOUT" in rows:
            fail += [f"{kind} {normal}" for kind in _ASKABLE if kind not in types]
        fail += [f"{kind} {normal}" for kind, values in types.items() if values == ["TIMEOUT"]]
        names[normal] = {kind: values for kind, values in types.items() if values != ["TIMEOUT"]}
    return Zone.of(names, fail=fail)


def _types(rows: list[Any]) -> dict[str, list[str]]:
    """The suite's rows; records of the withdrawn type SPF count as TXT unless TXT is given."""
    types: dict[str, list[str]] = defaultdict(list)
    for row in rows or ():
        if isinstance(row, dict):
            for kind, value in row.items():
                types[kind].append(_text(value))
    spf = types.pop("SPF", [])
    if spf and "TXT" not in types:
        types["TXT"] = spf
    if types.get("TXT") == ["NONE"]:
        del types["TXT"]
    return dict(types)


def _text(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    if value and isinstance(value[0], int):
        return f"{value[0]} {value[1] or '.'}"
    return "".join(value)


@pytest.mark.parametrize(("zonedata", "case"), _scenarios())
async def test_rfc7208_suite(zonedata: dict[str, Any], case: dict[str, Any]) -> None:
    resolver = ZoneResolver(_zone(zonedata))
    identity = SpfIdentity(ip_address(case["host"]), case["helo"], case["mailfrom"], "mfrom")
    found = await check_spf(identity, resolver, receiver="mx.receiver.test")
    expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert found.result in expected, found
    explanation = case.get("explanation")
    if explanation and found.result == "fail":
        assert found.explanation == (_DEFAULT_WORDS if explanation == "DEFAULT" else explanation)
