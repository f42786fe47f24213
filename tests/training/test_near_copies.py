"""Near copies are found whatever name or number they carry, others are not; damaged corpora end with a sentence."""

import mailbox
import random
import time
from pathlib import Path

import pytest

from training.corpus import readers
from training.corpus.readers import UnreadableCorpus, read_path, trec
from training.corpus.sample import Label, Mail, Sample, read
from training.corpus.split import near_bands, without_duplicates

PARCEL = (
    "Dear {name}, your parcel {number} will be delivered on {day} between {number} and 5 pm. You can follow it in your"
    " account, or choose another day if nobody is at home. Our driver will ring twice and leave a card otherwise."
    " Kind regards, {name} from the delivery team."
)
BANK = (
    "Dear {name}, your statement for {day} is ready in your mailbox at the bank. The balance is {number} euros. Please"
    " check all bookings within six weeks and tell us of any that you do not know. {name} will gladly help."
)
JAPANESE = (
    "{name}様、ご注文番号{number}の商品は{day}に発送いたしました。"
    "お届けまで今しばらくお待ちくださいませ。またのご利用をお待ちしております。"
)
WORDS = sorted(set((PARCEL + BANK).split()))


def sample(text: str, family: str = "", label: Label = Label.HAM) -> Sample:
    return read(
        Mail(f"Subject: s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n".encode(), label, "t", family)
    )


def filled(text: str, name: str, number: int, day: str) -> str:
    return text.format(name=name, number=number, day=day)


@pytest.mark.parametrize("text", [PARCEL, BANK, JAPANESE], ids=["parcel", "bank", "japanese"])
def test_another_name_and_another_number_are_a_copy(text: str) -> None:
    people = ("Ann Miller", 4711, "Monday"), ("Bartholomew van Dyke", 99, "12 March"), ("Li", 12345678, "Friday")
    samples = [sample(filled(text, *person)) for person in people]
    assert len(list(without_duplicates(samples))) == 1


def test_other_mails_of_the_same_kind_are_no_copies() -> None:
    one = "We shipped your lamp this morning, it should reach you tomorrow. Returns are free within two weeks."
    two = "Good news: the shoes you ordered are on their way, the courier has them now. Questions? Simply answer."
    assert len(list(without_duplicates([sample(t) for t in (one, two, PARCEL, BANK)]))) == 4


def test_a_family_may_hold_variants_but_not_equal_mails() -> None:
    variants = [filled(PARCEL, name, n, "Monday") for n, name in enumerate(("Ann", "Ben", "Ben"))]
    variants[2] = variants[1]
    assert len(list(without_duplicates([sample(text, "parcels") for text in variants]))) == 2
    assert len(list(without_duplicates([sample(variants[0], "a"), sample(variants[1], "b")]))) == 1


def test_short_mails_are_copies_only_when_equal() -> None:
    texts = ("See you at noon.", "See you at one.", "Thanks!", "Thanks!")
    assert len(list(without_duplicates([sample(text) for text in texts]))) == 3
    assert near_bands("Thanks!") == ()


def test_the_cost_of_a_mail_does_not_grow_with_their_number() -> None:
    """Twice as many mails take about twice as long: comparing each with each would take four times."""
    rng = random.Random(1)
    samples = [sample(" ".join(rng.choices(WORDS, k=60))) for _ in range(1_600)]

    def seconds(count: int) -> float:
        start = time.thread_time()
        assert list(without_duplicates(samples[:count]))
        return time.thread_time() - start

    seconds(200)
    assert seconds(1_600) < 3.2 * seconds(800)


def index(root: Path, *lines: str) -> Path:
    """A corpus in the layout of TREC with two mails."""
    (root / "data").mkdir()
    (root / "full").mkdir()
    (root / "data" / "inmail.1").write_bytes(b"From x Mon\nSubject: one\n\nBuy now.\n")
    (root / "data" / "inmail.2").write_bytes(b"Subject: two\n\nSee you at noon.\n")
    (root / "full" / "index").write_text("\n".join(lines) + "\n")
    return root / "full" / "index"


def test_the_layout_of_trec(tmp_path: Path) -> None:
    found = list(trec(index(tmp_path, "spam ../data/inmail.1", "", "HAM ../data/inmail.2", "ham ../data/inmail.3")))
    assert [(mail.label, mail.octets[:12]) for mail in found] == [
        (Label.UNWANTED, b"Subject: one"),
        (Label.LEGITIMATE, b"Subject: two"),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("maybe ../data/inmail.1", "line 2: expected 'spam' or 'ham'"),
        ("spam", "line 2"),
        ("spam ../../../etc/passwd", "line 2.*a path inside"),
        ("spam /etc/passwd", "line 2.*a path inside"),
        ("\x00\xff", "line 2"),
    ],
)
def test_a_wrong_line_of_an_index_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(UnreadableCorpus, match=says):
        list(trec(index(tmp_path, "ham ../data/inmail.2", line)))


def test_an_index_without_its_mails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = index(tmp_path, "spam ../data/inmail.7")
    with pytest.raises(UnreadableCorpus, match="keep the folders as they were unpacked"):
        list(trec(path))
    with pytest.raises(UnreadableCorpus, match="give the file full/index"):
        list(trec(tmp_path / "index"))
    monkeypatch.setattr(readers, "INDEX_OCTETS", 5)
    with pytest.raises(UnreadableCorpus, match="it is no index"):
        list(trec(path))


def test_a_huge_mail_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAIL_OCTETS", 60)
    (tmp_path / "a.eml").write_bytes(b"Subject: a\r\n\r\nsmall\r\n")
    (tmp_path / "b.eml").write_bytes(b"Subject: b\r\n\r\n" + b"large " * 20)
    assert [mail.octets[:10] for mail in read_path(tmp_path, Label.HAM)] == [b"Subject: a"]


def test_a_truncated_mbox_gives_what_it_holds(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for number in range(3):
        box.add(f"Subject: {number}\n\nMail number {number} says something.\n".encode())
    box.close()
    octets = (tmp_path / "box").read_bytes()
    (tmp_path / "box").write_bytes(octets[: -len("says something.\n\n")])
    found = [read(mail).view for mail in read_path(tmp_path / "box", Label.HAM)]
    assert [view.subject for view in found] == ["0", "1", "2"]
    assert found[2].text.strip() == "Mail number 2"


def test_mails_that_nobody_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.eml").write_bytes(b"Subject: a\r\n\r\nsmall\r\n")
    opened = Path.open

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if path.suffix == ".eml":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableCorpus, match=r"none of the 1 mails.*Permission denied"):
        list(read_path(tmp_path, Label.HAM))
