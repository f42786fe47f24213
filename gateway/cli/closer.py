"""A closer look at one mail, as lines for a terminal and as values for machines."""

from typing import Any

from gateway.cli.verdicts import plain
from gateway.learning.closer import Closer
from gateway.pipeline.changes import Change
from gateway.pipeline.trial import Alternative
from gateway.sentences.phrases import said

SHOWN = 8  #: words and sentences of one side

_CHANGES = {
    "author": "if {0} had vouched for it (DMARC)",
    "link": "without the link to {0}",
    "file": "without the attached file {0}",
    "field": "without its {0} field",
    "sentence": "without the sentence “{0}”",
}


def closer_lines(closer: Closer, language: str = "en") -> list[str]:
    """Words, sentences, and what would have changed it."""
    lines = ["", "  " + said(language, "words, in nats:")]
    lines += [f"  {part.nats:+6.2f}  {plain(part.words, 60)}" for part in closer.words[:SHOWN]]
    lines.append(f"  {closer.words_rest:+6.2f}  " + said(language, "all others, what any mail gets, the bounds"))
    lines.append("  " + said(language, "sentences, in nats that go with them:"))
    lines += [f"  {part.nats:+6.2f}  {plain(part.text, 100)}" for part in closer.sentences[:SHOWN]]
    if closer.verdict.action:
        lines.append("  " + said(language, "judged again with a change, it would have been delivered:"))
        lines += [f"    {plain(alternative(found, language), 400)}" for found in closer.alternatives]
        if not closer.alternatives:
            lines.append("    " + said(language, "no change that was tried is enough"))
    return lines


def alternative(found: Alternative, language: str = "en") -> str:
    """The changes as one sentence, with the probability that is left."""
    sentences = [change.what for change in found.changes if change.kind == "sentence"]
    told = [described(change, language) for change in found.changes if change.kind != "sentence" or len(sentences) < 3]
    if len(sentences) >= 3:
        many = said(language, "without {0} of its sentences, such as “{1}”")
        told.append(many.format(len(sentences), plain(sentences[0], 80)))
    return f"{said(language, ' and ').join(told)} ({found.verdict.probability:.0%})"


def described(change: Change, language: str = "en") -> str:
    """One change, as it reads after "it would have been delivered"."""
    return said(language, _CHANGES[change.kind]).format(plain(change.what, 80))


def closer_json(closer: Closer) -> dict[str, Any]:
    """Words and their rest sum to the word model's answer."""
    return {
        "words": [{"words": part.words, "nats": part.nats} for part in closer.words],
        "words_rest": closer.words_rest,
        "words_nats": closer.words_nats,
        "sentences": [{"text": part.text, "nats": part.nats} for part in closer.sentences],
        "sentences_by_language_model": closer.read_by_language_model,
        "judged_again": {"action": closer.verdict.action.name.lower(), "probability": closer.verdict.probability},
        "alternatives": [
            {
                "changes": [{"kind": change.kind, "what": change.what} for change in found.changes],
                "probability": found.verdict.probability,
            }
            for found in closer.alternatives
        ],
    }
