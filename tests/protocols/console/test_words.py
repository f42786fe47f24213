"""Pure parts: the drawing, the sentence, the search, the text of hostile fields."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.pipeline.verdict import squash
from protocols.console import authentication, evidence, search, text
from protocols.console.listing import Row
from store.trace.rows import ReasonRow, Trace

PRIOR = ReasonRow("prior", -2.0, "What mail from strangers looks like on average")


def trace(
    *reasons: tuple[str, float, str], action: str = "quarantine", category: str = "phish", rule: str = ""
) -> Trace:
    rows = (PRIOR, *(ReasonRow(*r) for r in reasons))
    return Trace(
        "0a", 0, "192.0.2.1", "mx", "", "a@b.example", "a@b.example", "s", 1, None, category, action,
        squash(sum(r.nats for r in rows)), rule, rows, (), "default", b"", (), {},
    )  # fmt: skip


QR = ("qr.link", 1.9, "A QR code leads to exarnple.com.")
LIKE = ("name.lookalike", 3.2, "exarnple.com looks like example.com")
SMALL = ("dmarc.fail", 0.9, "The sender's domain fails DMARC")
GOOD = ("dkim.pass", -0.3, "Signed by exarnple.com")


@pytest.mark.parametrize("layout", [evidence.WIDE, evidence.NARROW], ids=["wide", "narrow"])
def test_the_bars_walk_from_nothing_to_the_sum(layout: evidence.Layout) -> None:
    drawn = evidence.waterfall(trace(SMALL, GOOD, LIKE, QR), layout)
    assert [b.adds for b in drawn.bars] == ["−2.0", "+3.2", "+1.9", "+0.9", "−0.3"]
    assert [b.total for b in drawn.bars] == ["−2.0", "+1.2", "+3.1", "+4.0", "+3.7"]
    assert [b.kind for b in drawn.bars] == ["prior", "against", "against", "against", "for"]
    prior, first = drawn.bars[:2]
    assert prior.x + prior.width == pytest.approx(drawn.zero_x, abs=0.2), "the first bar ends at zero"
    assert first.x == pytest.approx(prior.after_x, abs=0.2), "each bar starts where the one before ended"
    assert drawn.sum_text == "+3.7"
    assert drawn.percent == "98 %"


def test_everything_drawn_lies_inside_the_plot() -> None:
    wild = [(f"s{i}", (-1) ** i * 40.0 / (i + 1), "x" * 400) for i in range(60)]
    for layout in (evidence.WIDE, evidence.NARROW):
        drawn = evidence.waterfall(trace(*wild), layout)
        assert len(drawn.bars) == evidence.DRAWN + 1
        for bar in drawn.bars:
            assert layout.plot_left <= bar.x
            assert bar.x + bar.width <= layout.plot_right + 2
            assert len(bar.label) <= layout.label_chars + 1
        assert drawn.bars[-1].label == "51 smaller reasons"
        assert [line.name for line in drawn.lines] == ["junk", "hold", "refuse"]
        assert all(layout.plot_left <= line.x <= layout.plot_right for line in drawn.lines)


def test_thresholds_stand_where_their_probability_is() -> None:
    drawn = evidence.waterfall(trace(LIKE, QR), evidence.WIDE)
    zero, hold = drawn.zero_x, next(line.x for line in drawn.lines if line.name == "hold")
    bar = drawn.bars[1]
    assert (hold - zero) / bar.width == pytest.approx(math.log(0.85 / 0.15) / 3.2, rel=0.02)


def test_a_threshold_that_is_never_reached_is_not_drawn() -> None:
    found = replace(trace(LIKE, QR), thresholds=(0.6, 0.85, 1.0))
    drawn = evidence.waterfall(found, evidence.WIDE)
    assert [line.name for line in drawn.lines] == ["junk", "hold"]
    assert drawn.bars[-1].after_x > evidence.WIDE.plot_right - 20, "and takes no room"


def test_the_drawing_bears_odd_numbers() -> None:
    evidence.waterfall(trace(("a", float("inf"), "x"), ("b", float("nan"), "y"), ("c", 0.0, "z")), evidence.WIDE)
    evidence.waterfall(trace(), evidence.WIDE)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            trace(LIKE, QR, SMALL, GOOD),
            "Held as phishing, 98 %: exarnple.com looks like example.com; a QR code leads to exarnple.com; "
            "the sender's domain fails DMARC.",
        ),
        (
            trace(LIKE, action="junk", category="spam"),
            "Filed as junk: spam, 77 %: exarnple.com looks like example.com.",
        ),
        (trace(GOOD, action="accept", category="ham"), "Delivered as wanted mail, 9 %: signed by exarnple.com."),
        (trace(action="accept", category="ham"), "Delivered as wanted mail, 12 %."),
        (
            trace(LIKE, ("file.macro", 0.1, "Holds macros"), category="policy", rule="file.macro"),
            "Held, against a policy, 79 %: holds macros; exarnple.com looks like example.com.",
        ),
        (trace(action="reject", category="malware"), "Refused as malware, 12 %."),
    ],
    ids=["held", "junk", "delivered", "delivered without reasons", "rule", "refused"],
)
def test_the_sentence_says_what_why_and_how_sure(found: Trace, said: str) -> None:
    assert evidence.sentence(found) == said


@pytest.mark.parametrize(
    ("found", "lead", "named"),
    [
        (trace(LIKE, ("x", 0.6, "Small")), "Would have been delivered without:", (LIKE[2],)),
        (trace(LIKE, QR, SMALL), "Would have been delivered only without all of:", (LIKE[2], QR[2])),
        (trace(LIKE, rule="qr.link"), "Decided by a rule, whatever the sum:", ("qr.link",)),
        (trace(action="accept"), "Would have been filed as junk with +2.4 more against it.", ()),
        (
            trace(LIKE, GOOD, action="accept"),
            "Would not have been delivered without:",
            (GOOD[2],),
        ),
    ],
    ids=["one reason", "several", "a rule", "delivered", "delivered by one"],
)
def test_what_would_have_changed_it(found: Trace, lead: str, named: tuple[str, ...]) -> None:
    said = evidence.what_if(found)
    assert said is not None
    assert (said.lead, said.reasons) == (lead, named)


def test_a_trap_has_no_verdict_to_change() -> None:
    assert evidence.what_if(trace(action="trap")) is None


ROW = Row(
    "01abc", 0, "phish", "held", "quarantine", 0.93, (0.6, 0.85, 0.995), "Ana's Shop", "ana@shop.example",
    "bounce@mailer.example", "Your order 77 is ready", "A QR code leads away", ("bob@example.com",), ("evil.example",),
)  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ("", True),
        ("order", True),
        ("ORDER ready", True),
        ('"order 77"', True),
        ('"77 order"', False),
        ("from:@shop.example", True),
        ("from:mailer.example", True),
        ('from:"ana\'s shop"', True),
        ("from:bob", False),
        ("to:bob@", True),
        ("subject:order", True),
        ("subject:qr", False),
        ("why:qr", True),
        ("verdict:phish", True),
        ("verdict:phishing", True),
        ("verdict:spam", False),
        ("is:held", True),
        ("is:released", False),
        ("score:>0.9", True),
        ("score:>=93%", True),
        ("score:<0.9", False),
        ("score:95", False),
        ("score:>.", False),
        ("score:x", False),
        ("link:evil", True),
        ("id:01a", True),
        ("id:1ab", False),
        ("-order", False),
        ("-from:bob order", True),
        ("unknown:order", False),
        ('"unclosed order 77', False),
        (":", False),
    ],
)
def test_searching(typed: str, is_found: bool) -> None:
    assert search.parse(typed).matches(ROW) == is_found


@given(st.text(max_size=600))
def test_no_search_breaks(typed: str) -> None:
    search.parse(typed).matches(ROW)


@pytest.mark.parametrize(
    ("raw", "html"),
    [
        ("plain", "<bdi>plain</bdi>"),
        ("<b>&\"'", "<bdi>&lt;b&gt;&amp;&#34;&#39;</bdi>"),
        ("a\u202eb", '<bdi>a<span class="odd" title="invisible character">RLO</span>b</bdi>'),
        ("a\x00\n", '<bdi>a<span class="odd" title="invisible character">U+0000</span>'
         '<span class="odd" title="invisible character">U+000A</span></bdi>'),
        ("x" * 400, "<bdi>" + "x" * 300 + "…</bdi>"),
        ("Grüße 日本語 👍", "<bdi>Grüße 日本語 👍</bdi>"),
        ("e" + "\u0301" * 50, "<bdi>e" + "\u0301" * 4 + "</bdi>"),
        ("\ud800", '<bdi><span class="odd" title="invisible character">U+D800</span></bdi>'),
    ],
    ids=["plain", "markup", "override", "control", "long", "other scripts", "stacked marks", "surrogate"],
)  # fmt: skip
def test_hostile_text_is_harmless_and_visible(raw: str, html: str) -> None:
    assert str(text.shown(raw)) == html


@given(st.text())
def test_no_text_reaches_a_page_as_markup_or_control(raw: str) -> None:
    html = str(text.shown(raw))
    inside = html.removeprefix("<bdi>").removesuffix("</bdi>")
    inside = inside.replace('<span class="odd" title="invisible character">', "").replace("</span>", "")
    assert not set('<>"') & set(inside)
    assert not any(ord(c) < 32 or 0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in html)
    html.encode()


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0, "< 0.1 %"), (0.004, "0.4 %"), (0.11, "11 %"), (0.9, "90 %"), (0.994, "99.4 %"), (0.9999, "> 99.9 %")],
)
def test_percentages_never_claim_certainty(probability: float, said: str) -> None:
    assert text.percent(probability) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "5 s"), (65, "1 min"), (7_200, "2 h"), (200_000, "2 d"), (-90_000, "in 1 d")],
)
def test_ages(seconds: int, said: str) -> None:
    now_ms = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
    assert text.age(now_ms - seconds * 1000, now_ms) == said


@pytest.mark.parametrize(
    "recorded", [b"", b"{", b"[]", b"null", b'{"dkim": 5}', b'{"spf_mailfrom": {"result": "odd"}}']
)
def test_unreadable_authentication_results_are_no_results(recorded: bytes) -> None:
    assert authentication.findings(recorded) == ()
    assert authentication.notes(recorded) == ()


def test_missing_authentication_results_are_none() -> None:
    lines = authentication.findings(b"{}")
    assert [(f.method, f.result) for f in lines] == [
        ("SPF", "none"), ("DKIM", "none"), ("DMARC", "none"), ("ARC", "none"), ("iprev", "none"),
    ]  # fmt: skip
