"""Words and language model over one mail: what both say of the whole, and of its most suspicious passage.

Scams are wrapped in harmless text to outvote them. So a mail that looks innocent as a whole, but holds a passage the
word model dislikes, is judged a second time by this passage alone, at a discount: torn out of its mail it says less.
"""

from collections.abc import Callable
from dataclasses import dataclass

from models.bayes import Bayes
from models.combiner import Stack
from models.features import Features, run_of_words
from models.lm import LmScore
from models.view import MailView

PASSAGE = 50  #: words
DISCOUNT = 4.0  #: nats; at less, long newsletters begin to be flagged for one passage
MOST = 2.0  #: nats; a passage alone may put a mail among the junk, not get it held or refused


@dataclass(frozen=True, slots=True)
class Reading:
    """The stacked answer."""

    log_odds: float  #: that the mail is unwanted, without the prior
    language: LmScore  #: of the whole mail, or of the passage when that decided


@dataclass(frozen=True, slots=True)
class Passage:
    """The part of a mail that its words make most suspicious."""

    text: str
    words: float  #: calibrated log-odds of the passage as a mail of its own


def read(
    bayes: Bayes, stack: Stack, ask: Callable[[str], LmScore], view: MailView, features: Features, words: float
) -> Reading:
    """Judge the mail with both models. ``ask`` is the language model's answer for a normalised text."""
    whole = ask(view.normal)
    nats = stack(words, whole.log_odds)
    passage = suspicious(bayes, view, features) if nats < MOST else None
    if passage is None:
        return Reading(nats, whole)
    part = ask(passage.text)
    torn_out = min(MOST, stack(passage.words, part.log_odds) - DISCOUNT)
    return Reading(torn_out, part) if torn_out > nats else Reading(nats, whole)


def suspicious(bayes: Bayes, view: MailView, features: Features) -> Passage | None:
    """The worst passage; None when the mail is hardly longer than one, or no passage looks like spam."""
    if len(features.words) < PASSAGE * 2:
        return None
    window = bayes.worst_window(features, PASSAGE)
    if window.score <= 0.0:
        return None
    end = window.first + window.words
    cut = Features(
        features.words[window.first : end], features.pairs[window.first : end - 1], features.structure, features.headers
    )
    text = run_of_words(view.normal, window.first, window.words)
    return Passage(text, bayes.score(cut)) if text else None
