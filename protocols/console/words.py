"""What categories, actions and states are called, and their icons. A meaning always has a word, never only a colour."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A chip: icon name, word, and the tone its colours come from."""

    icon: str
    word: str
    tone: str  #: good, calm, doubt, bad
    phrase: str  #: as it reads inside a sentence


CATEGORIES = {
    "ham": Word("check", "Wanted", "good", "wanted mail"),
    "bulk": Word("stack", "Bulk", "calm", "bulk mail"),
    "spam": Word("ban", "Spam", "doubt", "spam"),
    "phish": Word("hook", "Phishing", "bad", "phishing"),
    "bec": Word("mask", "Impostor", "bad", "an impostor's mail"),
    "malware": Word("bug", "Malware", "bad", "malware"),
    "auth": Word("key", "Forged", "doubt", "mail with a forged sender"),
    "trap": Word("trap", "Trap", "doubt", "mail to a trap"),
    "policy": Word("gavel", "Policy", "calm", "against a policy"),
}

ACTIONS = {
    "accept": Word("inbox", "Delivered", "good", "Delivered"),
    "junk": Word("folder", "Junk", "doubt", "Filed as junk"),
    "quarantine": Word("pause", "Held", "bad", "Held"),
    "defer": Word("clock", "Put off", "calm", "Put off"),
    "reject": Word("ban", "Refused", "bad", "Refused"),
    "trap": Word("trap", "Trapped", "doubt", "Caught by a trap"),
}

STATES = {
    "held": Word("pause", "Held", "bad", "held"),
    "released": Word("inbox", "Released", "good", "released"),
    "deleted": Word("bin", "Deleted", "calm", "deleted"),
    "expired": Word("clock", "Expired", "calm", "expired"),
}

RESULTS = {
    "pass": Word("check", "pass", "good", "pass"),
    "fail": Word("cross", "fail", "bad", "fail"),
    "softfail": Word("cross", "softfail", "doubt", "softfail"),
    "policy": Word("cross", "policy", "doubt", "policy"),
    "none": Word("dash", "none", "calm", "none"),
    "neutral": Word("dash", "neutral", "calm", "neutral"),
    "temperror": Word("clock", "temperror", "doubt", "temperror"),
    "permerror": Word("cross", "permerror", "doubt", "permerror"),
}


WAYS = {
    "in": Word("inbox", "Incoming", "calm", "on its way in"),
    "out": Word("person", "Outgoing", "calm", "on its way out"),
}


def category(name: str) -> Word:
    return CATEGORIES.get(name) or Word("question", name[:20] or "Unknown", "calm", name[:20] or "unknown")


def action(name: str) -> Word:
    return ACTIONS.get(name) or Word("question", name[:20] or "Unknown", "calm", name[:20] or "unknown")


def state(name: str) -> Word:
    return STATES.get(name) or Word("question", name[:20] or "Unknown", "calm", name[:20] or "unknown")


def way(name: str) -> Word:
    return WAYS[name]


def result(name: str) -> Word:
    return RESULTS.get(name) or Word("question", name[:20] or "unknown", "calm", name[:20])
