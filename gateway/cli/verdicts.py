"""A verdict as a table of reasons with bars, for people at a terminal."""

import unicodedata

from gateway.pipeline.verdict import Policy, Verdict, counterfactuals

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


def table(name: str, verdict: Verdict, policy: Policy) -> str:
    """The whole verdict: sentence, waterfall, sum, and what would have changed it."""
    biggest = max((abs(r.nats) for r in verdict.reasons), default=1.0) or 1.0
    lines = [f"{plain(name, 100)}", f"  {sentence(verdict)}", ""]
    for reason in verdict.reasons:
        if abs(reason.nats) < 0.005 and reason.signal != verdict.rule:
            continue
        length = max(1, round(abs(reason.nats) / biggest * BAR)) if reason.nats else 0
        left = ("#" * length).rjust(BAR) if reason.nats < 0 else " " * BAR
        right = ("#" * length).ljust(BAR) if reason.nats > 0 else " " * BAR
        lines.append(f"  {reason.nats:+6.2f} {left}|{right} {reason.signal:<26} {plain(reason.sentence, 90)}")
    t = policy.thresholds
    lines.append(
        f"  {verdict.log_odds:+6.2f} nats = {verdict.probability:.1%}   "
        f"(junk {t.junk:.0%}, hold {t.hold:.0%}, refuse {t.refuse:.1%}; score {verdict.score:.1f})"
    )
    passing = counterfactuals(verdict, t, policy.at_least)
    if passing:
        lines.append("  would have been delivered without: " + " | ".join(plain(r.sentence, 80) for r in passing[:3]))
    return "\n".join(lines)


def sentence(verdict: Verdict) -> str:
    """ "Held as phish, 97.1 %: ..." with the strongest reasons for the side that won."""
    side = 1 if verdict.action else -1
    why = [r.sentence for r in verdict.reasons if r.nats * side > 0.2 and r.signal != "prior"][:3]
    if verdict.rule:
        ruling = [r.sentence for r in verdict.reasons if r.signal == verdict.rule]
        why = ruling + [w for w in why if w not in ruling]
    did = WORDS[verdict.action.name.lower()].capitalize()
    because = plain("; ".join(why) or "nothing speaks against it", 220)
    return f"{did} as {verdict.category}, {verdict.probability:.1%}: {because}"


def line(at: str, category: str, action: str, probability: float, sender: str, subject: str, why: str) -> str:
    """One mail in one line, as the demo prints them."""
    what = WORDS[action] + (f" {category}" if action not in {"accept", "trap"} else "")
    return f"  {at}  {what:<14} {probability:5.2f}  {plain(sender, 30):<30}  {plain(subject, 38):<38}  {plain(why, 60)}"
