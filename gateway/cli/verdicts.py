"""A verdict as a table of reasons with bars, for people at a terminal."""

import unicodedata
from collections.abc import Callable

from gateway.checks.spoken import in_language
from gateway.pipeline.verdict import Policy, Reason, Verdict
from gateway.pipeline.whatif import Bounds, WhatIf, what_if
from gateway.sentences.phrases import said

BAR = 14  #: characters for the largest reason, each side

WORDS = {
    "accept": "delivered",
    "junk": "to Junk",
    "quarantine": "held",
    "defer": "deferred",
    "reject": "refused",
    "trap": "trap",
}


def plain(text: str, width: int) -> str:
    """One line of at most ``width`` characters, with nothing in it that moves a terminal's cursor."""
    shown = "".join(c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in text.replace("\n", " "))
    return shown if len(shown) <= width else shown[: width - 1] + "\u2026"


def table(name: str, verdict: Verdict, policy: Policy, language: str = "en") -> str:
    """The whole verdict: sentence, waterfall, sum, and what would have changed it."""
    biggest = max((abs(r.nats) for r in verdict.reasons), default=1.0) or 1.0
    lines = [f"{plain(name, 100)}", f"  {sentence(verdict, language)}", ""]
    for reason in verdict.reasons:
        if abs(reason.nats) < 0.005 and reason.signal != verdict.rule:
            continue
        length = max(1, round(abs(reason.nats) / biggest * BAR)) if reason.nats else 0
        left = ("#" * length).rjust(BAR) if reason.nats < 0 else " " * BAR
        right = ("#" * length).ljust(BAR) if reason.nats > 0 else " " * BAR
        told = plain(in_language(reason.signal, reason.sentence, language), 90)
        lines.append(f"  {reason.nats:+6.2f} {left}|{right} {reason.signal:<26} {told}")
    t = policy.thresholds
    levels = said(language, "junk {0}, hold {1}, refuse {2}; score {3}")
    lines.append(
        f"  {verdict.log_odds:+6.2f} nats = {verdict.probability:.1%}   "
        f"({levels.format(f'{t.junk:.0%}', f'{t.hold:.0%}', f'{t.refuse:.1%}', f'{verdict.score:.1f}')})"
    )
    bounds = Bounds(t, policy.at_least, policy.at_most)
    lines.append("  " + otherwise(verdict, what_if(verdict.reasons, verdict.action, verdict.rule, bounds), language))
    return "\n".join(lines)


def sentence(verdict: Verdict, language: str = "en") -> str:
    """ "Held as phish, 97.1 %: ..." with the strongest reasons for the side that won."""
    spoken = _speaker(language)
    side = 1 if verdict.action else -1
    why = [spoken(r) for r in verdict.reasons if r.nats * side > 0.2 and r.signal != "prior"][:3]
    if verdict.rule:
        ruling = [spoken(r) for r in verdict.reasons if r.signal == verdict.rule]
        why = ruling + [w for w in why if w not in ruling]
    did = word(verdict.action.name.lower(), language)
    because = plain("; ".join(why) or said(language, "nothing speaks against it"), 220)
    told = said(language, "{0} as {1}, {2}: {3}")
    return told.format(
        did[:1].upper() + did[1:], said(language, verdict.category), f"{verdict.probability:.1%}", because
    )


def word(action: str, language: str = "en") -> str:
    """What was done, in a word or two."""
    return said(language, WORDS[action])


def otherwise(verdict: Verdict, found: WhatIf, language: str = "en") -> str:
    """The counterfactual in a sentence."""
    if found.rule:
        return said(language, "a rule decided, whatever the sum: {0}").format(plain(found.rule, 60))
    if found.is_hopeless:
        return said(language, "would not have been delivered even without all that speaks against it")
    if not found.without:
        return said(language, "would have gone to Junk with {0} nats more against it").format(f"{found.missing:.2f}")
    lead = (
        "would not have been delivered without: {0}" if not verdict.action else "would have been delivered without: {0}"
    )
    spoken = _speaker(language)
    named = [plain(spoken(r), 80) for signal in found.without for r in verdict.reasons if r.signal == signal]
    return said(language, lead).format(said(language, " and ").join(named))


def _speaker(language: str) -> Callable[[Reason], str]:
    return lambda reason: in_language(reason.signal, reason.sentence, language)


def line(at: str, category: str, action: str, probability: float, sender: str, subject: str, why: str) -> str:
    """One mail in one line, as the demo prints them."""
    what = WORDS[action] + (f" {category}" if action not in {"accept", "trap"} else "")
    return f"  {at}  {what:<14} {probability:5.2f}  {plain(sender, 30):<30}  {plain(subject, 38):<38}  {plain(why, 60)}"
