"""What rules find in outgoing mail, where they look, and whose mail they leave alone."""

import io
import zipfile

import pytest

from gateway.checks import dlp
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts
from gateway.reputation.sending import Sending
from gateway.settings import patterns
from gateway.settings.outbound import DlpRule
from tests.support.facts import facts, html_mail, mail, with_attachment

CARD = "4111 1111 1111 1111"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n"
CARDS = DlpRule("cards", "refuse", find="card")
MARKS = DlpRule("marks", "hold", words=("top secret", "nur intern"))
STAFF = DlpRule("staff", "note", pattern=r"EMP-\d{4}", at_least=2)
KEYS = DlpRule("keys", "hold", find="private-key", internal=True)
OUT, HERE = Sending(1, recipients=1, outside=1), Sending(1, recipients=1)


RUNS = "<w:p><w:r><w:t>Card 4111 11</w:t></w:r><w:r><w:t>11 1111 1111</w:t></w:r></w:p>"
CELLS = "<sst><si><t>12</t></si><si><t>4111111111111111</t></si><si><t>34</t></si></sst>"


def office(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(name, text)
    return packed.getvalue()


def seen(sent: DataFacts, *rules: DlpRule) -> list[tuple[str, str]]:
    check = dlp.check([dlp.rule_of(rule) for rule in rules or (CARDS, MARKS, STAFF, KEYS)])
    found: list[Evidence] = list(check.run(sent))
    assert {item.signal for item in found} <= check.emits
    assert not any("4111" in item.detail for item in found), "a trace must not become the leak"
    return [(item.signal.name, item.detail) for item in found]


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        pytest.param(mail(f"Card {CARD}"), [("dlp.refused", "cards (1)")], id="text"),
        pytest.param(mail("x", Subject=f"Card {CARD}"), [("dlp.refused", "cards (1)")], id="subject"),
        pytest.param(html_mail(f"<p>Card {CARD}</p>"), [("dlp.refused", "cards (1)")], id="html"),
        pytest.param(html_mail("<p>4111 <b>1111</b> 1111 <i>1111</i></p>"), [("dlp.refused", "cards (1)")], id="marks"),
        pytest.param(html_mail(f"<p style='display:none'>{CARD}</p>"), [("dlp.refused", "cards (1)")], id="hidden"),
        pytest.param(with_attachment("a.csv", CARD.encode(), "text/csv"), [("dlp.refused", "cards (1)")], id="csv"),
        pytest.param(with_attachment("id_rsa", KEY.encode()), [("dlp.held", "keys (1)")], id="text-by-content"),
        pytest.param(
            with_attachment("a.docx", office("word/document.xml", RUNS)), [("dlp.refused", "cards (1)")], id="docx"
        ),
        pytest.param(
            with_attachment("a.xlsx", office("xl/sharedStrings.xml", CELLS)), [("dlp.refused", "cards (1)")], id="xlsx"
        ),
        pytest.param(with_attachment("a.zip", office("x.csv", CARD)), [("dlp.refused", "cards (1)")], id="zip"),
        pytest.param(with_attachment("a.zip", office("x.csv", CARD)[:60]), [], id="broken-zip"),
        pytest.param(with_attachment("top secret.bin", b"\0\1"), [("dlp.held", "marks (1)")], id="file-name"),
        pytest.param(mail("TOP  SECRET, nur-intern"), [("dlp.held", "marks (1)")], id="words"),
        pytest.param(mail("stop secretly"), [], id="parts-of-words"),
        pytest.param(mail("EMP-1234 and emp-1234"), [], id="the-same-twice"),
        pytest.param(mail("EMP-1234 and emp-1235"), [("dlp.noted", "staff (2)")], id="enough"),
        pytest.param(mail("Lunch?"), [], id="ordinary"),
    ],
)
def test_where_rules_look(octets: str, found: list[tuple[str, str]]) -> None:
    assert seen(facts(octets, sending=OUT)) == found


def test_mail_that_stays_here_is_asked_only_by_rules_that_want_it() -> None:
    body = mail(f"{CARD}\n{KEY}")
    assert [name for name, _ in seen(facts(body, sending=HERE))] == ["dlp.held"]
    assert seen(facts(body)) == [], "nor is incoming mail"


def test_a_rule_that_runs_out_of_time_holds_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> object:
        raise patterns.Overrun

    monkeypatch.setattr(patterns, "findings", slow)
    assert seen(facts(mail("x"), sending=OUT), STAFF, CARDS) == [("dlp.unread", "staff")]
    assert dlp.FLOORS["dlp.unread"] >= dlp.FLOORS["dlp.held"]
