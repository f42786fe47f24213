"""Rules: what is refused at the start, what each condition looks at."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.config import ConfigError, parse
from gateway.pipeline.verdict import Action, Verdict
from gateway.policy.reading import book_of
from gateway.policy.rule import Rule
from gateway.policy.sight import Sight
from gateway.settings.policy import RuleSettings

PATH = Path("/nowhere")
SIGNALS = {"url.lookalike", "dmarc.pass", "gtube", "attachment.executable"}
DOMAIN: dict[str, Any] = {"domain": {"example.com": {}}}


def rule_of(when: dict[str, Any], then: str = "hold", **more: Any) -> Rule:
    raw = {"name": "a-rule", "when": when, "then": then, "because": "It is so", **more}
    settings = msgspec.convert(raw, RuleSettings)
    return book_of(msgspec.structs.replace(parse(DOMAIN, PATH), rule=(settings,)), SIGNALS).rules[0]


SEEN = Sight(
    author="ana@shop.example", ip=ip_address("198.51.100.7"), helo="mx.shop.example", subject="Your Invoice 7",
    attachments=("invoice.pdf", "run.exe"), url_hosts=("shop.example", "evil.example"),
    headers=(("x-mailer", "Bulk 2.0"),), signals=frozenset({"url.lookalike", "dmarc.pass"}), size=5_000,
    is_authentic=True, is_first_contact=True, language="de",
)  # fmt: skip
VERDICT = Verdict(Action.JUNK, "phish", 0.7, ())

CONDITIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "from": ({"from": "*@shop.example"}, True),
    "from another": ({"from": "bob@*"}, False),
    "from any of a list": ({"from": ["bob@*", "ana@*"]}, True),
    "from_domain": ({"from_domain": "shop.example"}, True),
    "from_domain is not below": ({"from_domain": "*.shop.example"}, False),
    "helo": ({"helo": "mx.*"}, True),
    "ip": ({"ip": "198.51.100.0/24"}, True),
    "ip of another network": ({"ip": ["192.0.2.0/24", "2001:db8::/32"]}, False),
    "subject": ({"subject": "*invoice*"}, True),
    "attachment": ({"attachment": "*.exe"}, True),
    "attachment of no such name": ({"attachment": "*.iso"}, False),
    "url_host": ({"url_host": "evil.*"}, True),
    "header": ({"header": {"X-Mailer": "bulk*"}}, True),
    "header that is not there": ({"header": {"List-Id": "*"}}, False),
    "signals, any": ({"signals": ["gtube", "url.lookalike"]}, True),
    "all_signals": ({"all_signals": ["gtube", "url.lookalike"]}, False),
    "without": ({"without": ["gtube"]}, True),
    "without what is there": ({"without": ["dmarc.pass"]}, False),
    "category": ({"category": ["phish", "bec"]}, True),
    "probability_above": ({"probability_above": 0.5}, True),
    "probability_below": ({"probability_below": 0.5}, False),
    "size_over": ({"size_over": 5_000}, False),
    "authenticated": ({"authenticated": True}, True),
    "not authenticated": ({"authenticated": False}, False),
    "first_contact": ({"first_contact": True}, True),
    "language": ({"language": ["en", "de"]}, True),
    "all must hold": ({"from": "ana@*", "subject": "other"}, False),
}


@pytest.mark.parametrize(("when", "expected"), CONDITIONS.values(), ids=CONDITIONS)
def test_what_a_condition_looks_at(when: dict[str, Any], expected: bool) -> None:
    assert rule_of(when).holds(SEEN, VERDICT) is expected


def test_an_international_domain_is_compared_in_its_wire_form() -> None:
    rule = rule_of({"from_domain": "bücher.example"})
    assert rule.holds(replace(SEEN, author="a@xn--bcher-kva.example"), VERDICT)


@pytest.mark.parametrize(
    ("concerns", "to", "expected"),
    [
        ((), (), True),
        (("ana@example.com",), (), True),
        (("@example.com",), (), True),
        (("bob@example.com",), (), False),
        ((), ("a*@example.com",), True),
        ((), ("b*@example.com",), False),
    ],
)
def test_whom_a_rule_is_for(concerns: tuple[str, ...], to: tuple[str, ...], expected: bool) -> None:
    rule = rule_of({"subject": "*", "to": to}, **{"for": concerns})
    assert rule.is_for("Ana@example.com") is expected


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown signal": ({"when": {"signals": "url.lookalik"}}, "did you mean url.lookalike"),
    "an unknown category": ({"when": {"category": "spamm"}}, "did you mean spam"),
    "no condition": ({"when": {}}, "at least one condition"),
    "no sentence": ({"because": " "}, "because"),
    "a name that is a signal": ({"name": "gtube"}, "not a signal's name"),
    "a name with capitals": ({"name": "Rule One"}, "small letters"),
    "delivering by a subject": ({"then": "deliver", "when": {"subject": "[ok]*"}}, "whom it trusts"),
    "delivering from everybody": ({"then": "deliver", "when": {"from": "*"}}, "whom it trusts"),
    "delivering from a top level": ({"then": "deliver", "when": {"from_domain": "*.example"}}, "whom it trusts"),
    "delivering from any network": ({"then": "deliver", "when": {"ip": "0.0.0.0/0"}}, "whom it trusts"),
    "a network that is none": ({"when": {"ip": "192.0.2.1/24"}}, "host bits"),
    "an unknown group": ({"for": "group:sale"}, "unknown group"),
    "for whom": ({"for": "example.com"}, "@domain"),
    "a glob that is too long": ({"when": {"subject": "a" * 300}}, "at most 256"),
    "a probability": ({"when": {"probability_above": 2.0}}, "from 0 to 1"),
    "what a test expects": ({"test": [{"expect": "held"}]}, "expect"),
    "an unknown key": ({"wenn": {}}, "did you mean rule[1].when"),
    "an unknown condition": ({"when": {"form": "x"}}, "did you mean rule[1].when.from"),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_a_bad_rule_is_refused_at_the_start(change: dict[str, Any], said: str) -> None:
    raw = {"name": "a-rule", "when": {"subject": "*x"}, "then": "hold", "because": "It is so", **change}
    with pytest.raises(ConfigError) as refused:
        book_of(parse({**DOMAIN, "rule": [raw]}, PATH), SIGNALS)
    assert said in str(refused.value)


def test_two_rules_of_one_name_are_refused() -> None:
    raw = {"name": "a-rule", "when": {"subject": "*x"}, "then": "hold", "because": "It is so"}
    with pytest.raises(ConfigError, match="two rules"):
        book_of(parse({**DOMAIN, "rule": [raw, raw]}, PATH), SIGNALS)


def test_a_rule_says_what_it_skips() -> None:
    assert "author proves" in rule_of({"from": "*@shop.example"}, "deliver").skips
    assert "in the network" in rule_of({"ip": "192.0.2.0/24"}, "deliver").skips
    assert "trusts nobody" in rule_of({"subject": "x"}, "junk").skips
    assert rule_of({"subject": "x"}, "hold").skips.startswith("nothing")
