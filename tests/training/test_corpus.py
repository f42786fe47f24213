"""Reading the usual mailbox shapes, removing copies, and a split nothing can cross."""

import mailbox
import random
from pathlib import Path

import pytest

from store.message.mime import parse_message
from training.corpus.readers import read_path, spamassassin
from training.corpus.sample import Label, Mail, read
from training.corpus.split import halves, without_duplicates
from training.modern.compose import HELD_OUT, HELD_OUT_PREFIX, compose, mails, scenarios

ONE = b"Subject: one\r\n\r\nThe first mail speaks of bees.\r\n"
TWO = b"Subject: two\r\n\r\nThe second mail speaks of mills.\r\n"


def _folder(root: Path) -> Path:
    (root / "sub").mkdir()
    (root / "a.eml").write_bytes(ONE)
    (root / "sub" / "b.txt").write_bytes(b"From x Mon Jan  1\n" + TWO)
    (root / "notes.md").write_text("no mail")
    return root


def _mbox(root: Path) -> Path:
    box = mailbox.mbox(root / "box")
    for octets in (ONE, TWO):
        box.add(octets.replace(b"\r\n", b"\n"))
    box.close()
    return root / "box"


def _maildir(root: Path) -> Path:
    box = mailbox.Maildir(root / "md")
    for octets in (ONE, TWO):
        box.add(octets)
    return root / "md"


@pytest.mark.parametrize("make", [_folder, _mbox, _maildir])
def test_mailbox_shapes(make: object, tmp_path: Path) -> None:
    assert callable(make)
    subjects = {read(m).view.subject for m in read_path(make(tmp_path), Label.HAM, "t")}
    assert subjects == {"one", "two"}


def test_the_spamassassin_folders(tmp_path: Path) -> None:
    for name in ("easy-ham-1", "spam-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_bytes(b"From x\n" + ONE)
    assert [(m.label, m.octets) for m in spamassassin(tmp_path)] == [(Label.LEGITIMATE, ONE), (Label.UNWANTED, ONE)]


def test_copies_and_near_copies_go() -> None:
    body = "All of the beginning is the same in both of these mails, word for word, line by line, up to here. "
    texts = [body * 3 + f"Middle {n}. " + "And the end of both is the same again as well, " * 3 for n in (1, 2)]
    other = "Something else entirely."
    samples = [read(Mail(f"Subject: s\r\n\r\n{t}\r\n".encode(), Label.SPAM, "t")) for t in (*texts, other, other)]
    assert len(list(without_duplicates(samples))) == 2


def test_the_split_depends_on_the_letters_of_the_body_alone() -> None:
    one = read(Mail(b"Subject: a\r\n\r\nPay 5 now!\r\n", Label.SPAM, "t"))
    two = read(Mail(b"Subject: b\r\nX-Y: z\r\n\r\nPAY  5,\r\nnow\r\n", Label.HAM, "u"))
    assert one.key == two.key
    assert one.bucket == int("0x" + one.key[:8], 16) % 10
    train, held = halves([one, two])
    assert {len(train), len(held)} == {0, 2}


def test_composed_mail_is_varied_and_deterministic() -> None:
    some = list(mails(5, 1, held_out=False))
    assert some == list(mails(5, 1, held_out=False))
    keys = {read(m).key for m in some}
    assert len(keys) > 600
    assert len(keys) > 0.97 * len(some)


def test_held_out_families_are_never_in_training() -> None:
    training = {m.family for m in mails(1, 1, held_out=False)}
    held = {m.family for m in mails(1, 1, held_out=True)}
    assert {f for f in held if not f.startswith(HELD_OUT_PREFIX)} == HELD_OUT
    assert sum(f.startswith(HELD_OUT_PREFIX) for f in held) > 25
    assert not training & held


def test_every_scenario_fills_all_its_slots() -> None:
    assert len({(s.family, s.label, s.language) for s in scenarios()}) == len(scenarios()) > 330
    for scenario in scenarios():
        view = read(Mail(compose(scenario, random.Random(1)), scenario.label, "t")).view
        assert "{" not in view.subject + view.text, (scenario.family, scenario.language)


def test_both_labels_speak_every_language() -> None:
    spoken = {(s.language, s.label.is_unwanted) for s in scenarios()}
    codes = ("en", "de", "nl", "fr", "es", "it", "pt", "pl", "sv", "ja", "zh")
    assert spoken == {(code, bad) for code in codes for bad in (True, False)}


def test_a_bounce_is_a_delivery_report() -> None:
    bounce = next(s for s in scenarios() if s.kind == "bounce")
    message = parse_message(compose(bounce, random.Random(2)))
    assert message.root.type == "multipart/report"
    assert [p.type for p in message.root.children] == ["text/plain", "message/delivery-status", "message/rfc822"]


@pytest.mark.parametrize("language", ["en", "de", "ja", "sv"])
def test_surroundings_come_alike_to_both_labels(language: str) -> None:
    """Quotes and signatures must say nothing of the label."""
    shares = []
    for bad in (True, False):
        some = [s for s in scenarios() if s.language == language and s.label.is_unwanted is bad and not s.links]
        rng = random.Random(4)
        views = [read(Mail(compose(s, rng), s.label, "t")).view for s in some for _ in range(400 // len(some))]
        shares.append(sum(">" in v.plain_text for v in views if not v.has_html) / len(views))
    assert abs(shares[0] - shares[1]) < 0.12
