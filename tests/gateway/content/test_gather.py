"""Everything at once, on ordinary and on hostile mail."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.checks import PURE
from gateway.pipeline.run import ask_pure
from tests.support.facts import facts, html_mail, mail, with_attachment


def test_addresses_of_every_field_are_gathered() -> None:
    content = facts(mail(From="a@one.test", Reply_To="r@two.test", Cc="c@three.test", Sender="s@four.test")).content
    assert content.from_domain == "one.test"
    assert [a.email for a in (*content.reply_to, *content.cc, *content.sender)] == [
        "r@two.test",
        "c@three.test",
        "s@four.test",
    ]


def test_a_second_from_field_does_not_hide() -> None:
    assert len(facts("From: a@one.test\nFrom: b@two.test\n\nx").content.from_) == 2


def test_a_link_in_the_subject_is_found() -> None:
    assert [u.host for u in facts(mail(Subject="Go to evil.test/x now")).content.urls] == ["evil.test"]


HOSTILE = [
    pytest.param(html_mail("<a href='https://x.test/'>x</a>" * 20_000), id="20,000 links"),
    pytest.param(
        html_mail("".join(f"<a href='https://h{i}.examp1e{i}.com/'>x</a>" for i in range(5_000))), id="5,000 hosts"
    ),
    pytest.param(mail("account " * 20_000 + "https://x.test/"), id="one word of a lure"),
    pytest.param(mail("verify your " * 10_000 + "https://x.test/"), id="half a lure"),
    pytest.param(mail("a.b/" * 30_000), id="dots and slashes"),
    pytest.param(mail("password" + ":" * 30_000), id="password and colons"),
    pytest.param(mail("x", From="a" * 100_000 + "@b.test"), id="a long address"),
    pytest.param(mail("x", From='"' + "word " * 20_000 + '" <a@b.test>'), id="a long name"),
    pytest.param(mail("x", To=", ".join(f"u{i}@b.test" for i in range(20_000))), id="20,000 recipients"),
    pytest.param(mail("x", Subject="a " * 50_000), id="a long spaced subject"),
    pytest.param(with_attachment("a.html", b"<!--" + b"- " * 500_000), id="an open comment"),
    pytest.param(with_attachment("a.svg", b"<svg " + b"on" * 300_000), id="a long tag"),
    pytest.param("", id="nothing"),
    pytest.param("\x00" * 1_000, id="only NULs"),
]


@pytest.mark.parametrize("octets", HOSTILE)
def test_hostile_mail_is_judged_in_bounded_time(octets: str) -> None:
    seen = facts(octets)
    start = time.process_time()
    names = {e.signal.name for e in ask_pure(PURE, seen)}
    assert time.process_time() - start < 2.0
    assert "check.failed" not in names


@given(st.binary(max_size=600))
def test_any_octets_are_judged(octets: bytes) -> None:
    assert "check.failed" not in {e.signal.name for e in ask_pure(PURE, facts(octets))}


@given(
    st.sampled_from(["From", "To", "Subject", "Reply-To", "Date", "Received", "List-Id", "Message-ID", "Content-Type"]),
    st.text(max_size=200),
)
def test_any_header_is_judged(name: str, value: str) -> None:
    octets = f"{name}: {value}\nSubject: x\n\nhello https://x.test/\n".encode("utf-8", "replace")
    assert "check.failed" not in {e.signal.name for e in ask_pure(PURE, facts(octets))}
