"""Base subjects by the steps of RFC 5256 §2.1."""

import time

import pytest

from store.mail.subjects import BaseSubject, base_subject, parse_subject, thread_subject

STEPS: dict[str, tuple[str, str, bool]] = {
    # subject, base subject, whether it answers or forwards
    "1: runs of spaces, tabs and folds become one space": ("one \t two\r\n three", "one two three", False),
    "2: a trailing (fwd)": ("hello (fwd)", "hello", True),
    "2: several of them, in any case": ("hello (Fwd) (FWD)  ", "hello", True),
    "2: (fwd) in the middle stays": ("(fwd) hello", "(fwd) hello", False),
    "3: re": ("Re: hello", "hello", True),
    "3: fw": ("FW: hello", "hello", True),
    "3: fwd": ("fwd : hello", "hello", True),
    "3: not a word that begins so": ("Regarding: hello", "Regarding: hello", False),
    "3: re without a colon": ("re hello", "re hello", False),
    "3: re with a blob before the colon": ("Re[4]: hello", "hello", True),
    "3: blobs before re": ("[a] [b] Re: hello", "hello", True),
    "4: a blob with something after it": ("[list] hello", "hello", False),
    "4: a blob that is everything stays": ("[list]", "[list]", False),
    "4: of two blobs the last stays": ("[one] [two]", "[two]", False),
    "4: a bracket in a blob is none": ("[a[b] c", "[a[b] c", False),
    "5: again and again": ("Re: [x] Fwd: [y] re: hello", "hello", True),
    "6: [fwd: ...]": ("[Fwd: hello]", "hello", True),
    "6: and all over from step 2": ("[fwd: Re: [fwd: [x] hello (fwd)]]", "hello", True),
    "6: without the end it stays": ("[fwd: hello", "[fwd: hello", False),
    "7: nothing but marks": ("Re: Fwd:", "", True),
    "7: nothing": ("", "", False),
    "the letters stay as they are": ("Re: HeLLo", "HeLLo", True),
}


@pytest.mark.parametrize(("subject", "expected", "is_reply"), STEPS.values(), ids=STEPS)
def test_the_base_subject(subject: str, expected: str, is_reply: bool) -> None:
    assert parse_subject(subject) == BaseSubject(expected, is_reply)
    assert base_subject(subject) == expected.lower()


SAME = {
    "case and spaces": ("Re:  Lunch at  Noon", "lunch at noon"),
    "a German answer to a forward": ("AW: WG: Lunch", "Lunch"),
    "a Scandinavian answer to an English one": ("SV: Re: Lunch", "Re: Lunch"),
    "a mark behind a list tag": ("[list] AW: Lunch", "Re: [list] Lunch"),
    "a full-width colon": ("回复\uff1aLunch", "Lunch"),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_subjects_of_one_conversation(one: str, other: str) -> None:
    assert thread_subject(one).text == thread_subject(other).text


def test_other_words_are_another_conversation() -> None:
    assert thread_subject("Lunch").text != thread_subject("Dinner").text
    assert thread_subject("Awning: repair").text == "awning:repair"


HOSTILE = {
    "blobs": "[]" * 500,
    "marks": "re:" * 333,
    "brackets": "[" * 1_000,
    "trailers": "(fwd) " * 170 + "x",
    "forwards": "[fwd:" * 200 + "]" * 200,
    "very long": "Re: " * 1_000_000,
}


@pytest.mark.parametrize("subject", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_subject_costs_little(subject: str) -> None:
    started = time.process_time()
    for _ in range(20):
        thread_subject(subject)
    assert time.process_time() - started < 1.0
