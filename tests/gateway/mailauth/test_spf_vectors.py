"""The RFC 7208 test suite through our own path: restart on a miss, our resolver, our limits.

All 203 cases pass. Where the suite allows several results, ours is pinned; and one case differs from bare pyspf.
"""

from collections import defaultdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.dns.resolver import Mx, Txt, normal_name
from gateway.dns.zone import Zone, ZoneResolver, follow
from gateway.mailauth.spf import SpfIdentity, check_spf, load_pyspf

_SUITE = Path(__file__).parent / "vectors" / "rfc7208-tests.yml"
_ASKABLE = ("A", "AAAA", "MX", "PTR", "TXT", "CNAME")
_DEFAULT_WORDS = "SPF fail - not authorized"
_CASES = 203
#: Cases for which the suite accepts more than one result, and the one that pyspf and we give.
_CHOSEN = {
    "multispf1": "permerror",  # two records: RFC 7208 §4.5 leaves no other result, RFC 4408 did
    "invalid-domain-empty-label": "fail",  # a name that cannot be matches nothing, and -all decides (§4.3, §4.8)
    "invalid-domain-long": "fail",
    "invalid-domain-long-via-macro": "fail",
    "p-macro-multiple": "pass",  # of several names that lead back, the one that helps the sender
    "ptr-limit": "neutral",  # names beyond the tenth are not looked at (§4.6.4)
}
#: Cases in which our path ends otherwise than pyspf over the same zone, with what pyspf says.
_UNLIKE_PYSPF = {
    # A resolver answers SERVFAIL where CNAMEs go round in circles. pyspf ends at that; §5.5 says that a name which
    # could not be looked up is skipped, which our look-up does for the names of a ptr term. The suite wants ours.
    "ptr-cname-loop": "temperror",
}


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


def _plain_pyspf(zone: Zone, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """pyspf as it comes, with nothing of ours but the zone under it."""
    spf = load_pyspf()

    def look_up(name: str, qtype: str, strict: object = True, timeout: float = 0) -> list[Any]:
        normal = normal_name(name)
        if normal is None:
            return []
        status, records = follow(zone, normal, qtype)
        if status.is_temporary:
            raise spf.TempError("DNS")
        return [((name, qtype), _shape(record)) for record in records]

    monkeypatch.setattr(spf, "DNSLookup", look_up)
    return str(spf.query(i=case["host"], s=case["mailfrom"], h=case["helo"], receiver="mx.receiver.test").check()[0])


def _shape(record: Any) -> Any:
    match record:
        case Txt(strings):
            return strings
        case Mx(preference, host):
            return (preference, host)
    return record


@pytest.mark.parametrize(("zonedata", "case"), _scenarios())
async def test_our_path_changes_nothing_of_what_pyspf_finds(
    zonedata: dict[str, Any], case: dict[str, Any], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = _zone(zonedata)
    identity = SpfIdentity(ip_address(case["host"]), case["helo"], case["mailfrom"], "mfrom")
    ours = (await check_spf(identity, ZoneResolver(zone), receiver="mx.receiver.test")).result
    name = request.node.callspec.id.partition("-")[2]
    theirs = _plain_pyspf(zone, case, monkeypatch)
    assert theirs == _UNLIKE_PYSPF.get(name, ours)
    assert ours == _CHOSEN.get(name, case["result"])


def test_the_suite_is_whole() -> None:
    cases = [case for scenario in yaml.safe_load_all(_SUITE.read_text("utf-8")) for case in scenario["tests"].items()]
    assert len(cases) == _CASES
    assert {name for name, case in cases if isinstance(case["result"], list)} == set(_CHOSEN)
