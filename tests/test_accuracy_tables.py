"""The document on accuracy has a place for every table that is printed for it, and the benchmark counts right."""

import re
from pathlib import Path

import pytest

from benchmarks.accuracy import Kept, row
from benchmarks.accuracy_report import write
from benchmarks.accuracy_split import Split, splits
from benchmarks.corpus import Mails
from benchmarks.peer_scores import Scores
from benchmarks.peers import Told
from training.corpus.sample import Label, Mail

ROOT = Path(__file__).parents[1]
WANTED = [Mail(b"Subject: %d\r\n\r\nx" % n, Label.LEGITIMATE, "s") for n in range(4)]
SPAM = [Mail(b"Subject: spam %d\r\n\r\nx" % n, Label.UNWANTED, "s") for n in range(2)]
SPLIT = Split("at random", tuple(WANTED), (*WANTED, *SPAM), 0)
SCORES = Scores(tuple(Told(score, score >= 3) for score in (0.0, 1.0, 2.0, 3.0, 2.5, 9.0)), 10.0, 20.0, 30.0)


def test_every_table_that_is_made_has_a_place() -> None:
    made = set(re.findall(r'yield "([\w-]+)"', (ROOT / "benchmarks" / "accuracy_report.py").read_text("utf-8")))
    places = re.findall(r"<!-- ([\w-]+) -->", (ROOT / "docs" / "accuracy.md").read_text("utf-8"))
    assert {*made, "peers-random", "peers-date"} == {name for name in places if name != "end"}
    assert places.count("end") == len(made) + 2


def test_a_table_is_put_in_its_place_and_nothing_else_changes(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n")
    write(document, "one", "| \\1 new |\n")
    write(document, "two", "second\n")
    assert document.read_text() == "a\n<!-- one -->\n| \\1 new |\n<!-- end -->\nb\n<!-- two -->\nsecond\n<!-- end -->\n"
    with pytest.raises(SystemExit, match="no place"):
        write(document, "three", "x")


def test_one_line_of_the_comparison() -> None:
    cells = [cell.strip() for cell in row("filter", SPLIT, SCORES).strip("|").split("|")]
    assert cells == [
        *("filter", "0.8750", "50.0% (1 of 2; 0 allowed)", "50.0% (1 of 2; 0 allowed)", "66.67%", "50.0% (1)"),
        *("25.00% (1 of 4)", "20", "30"),
    ]


def test_a_filter_that_did_not_answer_for_all_is_no_result() -> None:
    with pytest.raises(SystemExit, match="answered 1 of 6"):
        row("filter", SPLIT, Scores(SCORES.told[:1], 1.0, 1.0, 1.0))


def test_what_peers_said_is_kept_for_the_same_mails_only(tmp_path: Path) -> None:
    kept, mails = Kept(tmp_path), Mails(SPLIT.train, (b"a", b"b"))
    file = kept.file("peer", "1.0", mails)
    assert kept.read(file) is None
    kept.write(file, SCORES)
    assert kept.read(kept.file("peer", "1.0", mails)) == SCORES
    assert kept.read(kept.file("peer", "1.1", mails)) is None
    assert kept.read(kept.file("peer", "1.0", Mails(SPLIT.train, (b"a",)))) is None
    assert Kept(None).file("peer", "1.0", mails) is None


def test_twins_are_on_one_side_and_the_older_mail_is_learnt(tmp_path: Path) -> None:
    words = [f"{first}{second}ord" for first in "abcdef" for second in "ghi"]
    for number in range(40):
        folder = tmp_path / ("spam-1" if number % 4 == 0 else "easy-ham-1")
        folder.mkdir(exist_ok=True)
        same = words if number in (3, 39) else [f"{w}{'xyzabcdefg'[number % 10]}{'klmn'[number // 10]}" for w in words]
        date = f"Date: {1 + number % 28} {'Jan' if number < 28 else 'Feb'} 2002 10:00:00 +0000"
        (folder / f"{number:02d}.txt").write_text(f"From: a@b.example\n{date}\n\n{' '.join(same)} {number}\n")
    random, by_date = splits(tmp_path)
    assert len(by_date.train) == 28 and len(by_date.test) == 11 and by_date.twins == 1
    assert {m.octets for m in random.train}.isdisjoint(m.octets for m in random.test)
    assert "wanted" in random.told
