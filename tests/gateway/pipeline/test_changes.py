"""Changing a mail: what is taken out is gone for everybody who reads it, and what cannot be changed is not claimed."""

import base64
import quopri
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.mailauth.results import AuthResults, DmarcResult
from gateway.pipeline.changes import Change, applied, thinkable
from gateway.pipeline.facts import DataFacts
from gateway.pipeline.trial import READINGS, alternatives
from gateway.pipeline.verdict import Action, Reason, Verdict, squash
from tests.support.facts import facts as seen

HTML = '<p>Hello Ana.</p><p>Pay your fee at <a href="http://bad.test/pay?a=1&amp;b=2">this page</a> right now.</p>'
FILE = base64.b64encode(b"MZ" + b"\0" * 60)


def simple(body: bytes, encoding: str, kind: str = "text/html") -> bytes:
    head = (
        "From: Bob <bob@shop.test>\r\nTo: ana@example.com\r\nReply-To: x@elsewhere.test\r\nSubject: Your fee\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode() + body


MIXED = (
    b"From: Bob <bob@shop.test>\r\nTo: ana@example.com\r\nSubject: Your fee\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n'
    b'--b\r\nContent-Type: application/octet-stream; name="fee.exe"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    + FILE + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nRegards, Bob of the shop.\r\n--b--\r\n"
)  # fmt: skip


LINKED = {
    "8bit": simple(HTML.encode(), "8bit"),
    "base64": simple(base64.encodebytes(HTML.encode()), "base64"),
    "quoted-printable": simple(quopri.encodestring(HTML.encode()), "quoted-printable"),
    "plain text": simple(b"Pay at http://bad.test/pay now.", "7bit", "text/plain"),
    "without a scheme": simple(b"Pay at bad.test/pay now, please.", "7bit", "text/plain"),
}


@pytest.mark.parametrize("octets", LINKED.values(), ids=LINKED)
def test_a_link_is_gone_and_the_words_stay(octets: bytes) -> None:
    facts = seen(octets)
    assert {url.host for url in facts.content.urls} == {"bad.test"}
    changed = applied(facts, [Change("link", "bad.test")])
    assert changed is not None
    assert changed.content.urls == ()
    assert "bad.test" not in changed.view.normal
    assert "pay" in changed.view.normal
    assert changed.message.headers == facts.message.headers


def test_a_file_is_gone_and_the_other_parts_stay() -> None:
    facts = seen(MIXED)
    changed = applied(facts, [Change("file", "fee.exe")])
    assert changed is not None
    assert changed.content.attachments == ()
    assert "See the file." in changed.view.text
    assert "Regards, Bob of the shop." in changed.view.text
    assert changed.message.defects == facts.message.defects


def test_a_field_is_gone_and_nothing_else() -> None:
    facts = seen(LINKED["8bit"])
    changed = applied(facts, [Change("field", "Reply-To")])
    assert changed is not None
    assert changed.content.reply_to == ()
    kept = [field for field in facts.message.headers.fields if field.name != "Reply-To"]
    assert list(changed.message.headers.fields) == kept
    assert changed.message.octets.partition(b"\r\n\r\n")[2] == facts.message.octets.partition(b"\r\n\r\n")[2]


def test_an_author_is_authentic_in_every_way() -> None:
    facts = replace(seen(LINKED["8bit"]), auth=AuthResults(dmarc=DmarcResult("fail", "reject", "reject", "shop.test")))
    changed = applied(facts, [Change("author", "shop.test")])
    assert changed is not None
    assert (changed.auth.dmarc.result, changed.auth.dmarc.policy) == ("pass", "reject")
    assert changed.auth.authenticated_domains == {"shop.test"}
    assert changed.message == facts.message


def test_changes_add_up() -> None:
    facts = seen(LINKED["plain text"])
    changed = applied(facts, [Change("link", "bad.test"), Change("sentence", "Pay at http://bad.test/pay now.")])
    assert changed is not None
    assert changed.view.text == ""
    assert changed.content.urls == ()


UTF16 = simple(base64.encodebytes("Pay at http://bad.test/pay now".encode("utf-16")), "base64", "text/plain")
ONE_FILE = MIXED.replace(b"multipart/mixed;", b'application/x-odd; name="a.bin";')
IMPOSSIBLE = {
    "a link that is written otherwise": (UTF16.replace(b"utf-8", b"utf-16"), Change("link", "bad.test")),
    "a sentence that is not there": (LINKED["8bit"], Change("sentence", "Never said.")),
    "the mail itself": (ONE_FILE, Change("file", "a.bin")),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "change"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_changed_is_not_claimed(octets: bytes, change: Change) -> None:
    assert applied(seen(octets), [change]) is None


def test_what_is_thought_of_is_bounded_and_fits_what_was_seen() -> None:
    links = "".join(f'<a href="http://h{n}.test/">x</a> ' for n in range(100))
    facts = seen(simple(links.encode(), "8bit"))
    reasons = [Reason("sender.reply-to-elsewhere", 0.5, ""), Reason("subject.money", -0.1, "")]
    found = thinkable(facts, reasons, ["Pay now."])
    assert Change("field", "Reply-To") in found
    assert Change("field", "Subject") not in found
    assert found[-1] == Change("sentence", "Pay now.")
    assert len(found) < 20


def worth(points: dict[str, float]) -> Callable[[DataFacts], object]:
    """A judge to whom each sentence that is left adds so many nats."""

    async def rejudge(facts: DataFacts) -> Verdict:
        nats = sum(each for text, each in points.items() if text in facts.view.text)
        action = Action.JUNK if nats > 0 else Action.ACCEPT
        return Verdict(action, "spam", squash(nats), (Reason("model.words", nats, ""),))

    return rejudge


TEXT = {"The first sentence here.": 2.0, "The second sentence here.": 1.5, "The third sentence here.": 0.5}
TRIALS = {
    "one is enough": ({**TEXT, "The first sentence here.": 9.0, "The second sentence here.": -3.0}, 1),
    "two together": ({**TEXT, "The third sentence here.": -0.2}, 2),
    "all": (TEXT, 3),
    "none": ({**TEXT, "": 1.0}, 0),
}


@pytest.mark.parametrize(("points", "count"), TRIALS.values(), ids=TRIALS)
async def test_few_changes_that_do_are_found(points: dict[str, float], count: int) -> None:
    facts = seen(simple(" ".join(TEXT).encode(), "8bit", "text/plain"))
    changes = [Change("sentence", text) for text in TEXT]
    found = await alternatives(worth(points), facts, changes)  # type: ignore[arg-type]
    assert [len(each.changes) for each in found] == ([count] if count else [])
    assert all(each.verdict.action is Action.ACCEPT for each in found)


async def test_a_mail_is_never_judged_more_often_than_allowed() -> None:
    sentences = [f"This is the sentence number {n} of them." for n in range(24)]
    facts = seen(simple(" ".join(sentences).encode(), "8bit", "text/plain"))
    asked = 0

    async def rejudge(_: DataFacts) -> Verdict:
        nonlocal asked
        asked += 1
        return Verdict(Action.REJECT, "spam", 1.0, ())

    assert await alternatives(rejudge, facts, [Change("sentence", text) for text in sentences]) == ()
    assert 24 <= asked <= READINGS


async def test_a_large_mail_is_not_cut_and_nothing_is_claimed() -> None:
    facts = seen(simple(b"Pay at http://bad.test/pay now. " + b"lorem ipsum " * 50_000, "7bit", "text/plain"))
    assert applied(facts, [Change("link", "bad.test")]) is None
