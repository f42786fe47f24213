"""Gaps of a mail template, in the notations of many template languages, filled with values that fit their names."""

import random
import re

from training.modern.slots import fill, slug
from training.modern.transport import link_to

#: Control flow and comments of template languages: nothing of it is ever sent.
_LOGIC = re.compile(
    r"\{%.*?%\}|<%(?!=).*?%>|\{\{[#/!^>&~][^{}]*\}\}|\{\{/?\s*(?:else|end|if|range|with|template|define|each)\b[^{}]*\}\}"
    r"|\{#.*?#\}|<\?.*?\?>|\*\|/?(?:IF|ELSE|END|IFNOT)[^|]*\|\*|^##[^\n]*|#(?:set|if|else|end|foreach)\b(?:\([^()\n]*\))?",
    re.DOTALL | re.MULTILINE,
)
_GAP = re.compile(
    r"\{\{\{?\s*(?P<a>[^{}]{1,120}?)\s*\}?\}\}|<%=\s*(?P<b>[^%]{1,120}?)\s*%>|\*\|(?P<c>[\w: ]{1,60})\|\*"
    r"|[$%#]\{(?P<d>[^{}\n]{1,80})\}|\{\$?(?P<e>[A-Za-z][\w.\-:]{0,60}|\d)\}|%\((?P<f>\w{1,40})\)[sd]"
    r"|\[\[(?P<g>[\w ]{1,40})\]\]|\[(?P<k>[A-Z][A-Za-z]+(?: [A-Z]?[a-z]+){1,3})\](?!\()|\$(?P<l>[a-z]\w{2,30})"
    r"|(?P<h>%\d?\$?[sd]\b)|(?P<i>\{\d+(?:,[^{}\n]*)?\})|(?<![\w:/])[:@](?P<j>[a-z_]{3,30})\b(?![:@.\w])"
)
_LEFT = re.compile(r"\{\{.{0,400}?\}\}|\{%.{0,400}?%\}|<%.{0,400}?%>", re.DOTALL)  #: what no rule above knows

_KINDS = (
    ("address", r"e_?mail|mailto|address_to|replyto|reply_to"),
    ("link", r"url|link|href|uri|action|unsubscribe|site_address|u_[a-z]+"),
    ("code", r"code|token|otp|pin\b|secret|passcode|key|password|passwd"),
    ("amount", r"amount|price|total|cost|fee|tax|discount|paid|balance|payment_sum|credit"),
    ("span", r"minutes|hours|days|expir|valid|number_of|count|quantity|qty|num\b|size|limit|seats|n_"),
    ("date", r"date|time|when|day|deadline|due|period|start|end\b"),
    ("phone", r"phone|tel\b|mobile"),
    ("ip", r"\bip|address_ip|ip_address"),
    ("device", r"device|browser|agent|platform|\bos\b"),
    ("place", r"city|location|country|place|region|street|address|venue"),
    ("reference", r"order|invoice|ref|number|id\b|_id|tracking|ticket|serial|booking"),
    (
        "firm",
        r"company|site|brand|app|org|shop|store|context|journal|team|server|domain|realm|board|vendor|merchant"
        r"|group|project|space",
    ),
    ("first", r"first"),
    ("last", r"last_?name|surname|family"),
    (
        "person",
        r"name|user|author|recipient|sender|customer|client|contact|who|from|by|admin|signature|person|editor|reviewer|member",
    ),
    ("product", r"product|item|plan|article|asset|license"),
)
_KIND = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)


class Cast:
    """Who and what one mail is about: equal names give equal values throughout.

    People, sums and dates are those of the composed mail, so that they say nothing of where a mail comes from.
    """

    def __init__(self, rng: random.Random, language: str, *, unwanted: bool) -> None:
        self.slots = fill(rng, language)
        self.firm = self.slots[rng.choice(("company", "shop", "company", "app"))]
        self.label = slug(self.firm) or "office"  #: of the firm's hosts
        self._rng, self._language, self._unwanted = rng, language, unwanted
        self._said: dict[str, str] = {}
        self._persons = 0

    def complete(self, text: str) -> str:
        """The text without template logic and with every gap filled."""
        return _LEFT.sub("", _GAP.sub(self._value, _LOGIC.sub("", text)))

    def _value(self, match: re.Match[str]) -> str:
        name = next((g for g in match.groups() if g), match[0]).strip()
        kind = kind_of(name)
        if match["j"] and kind == "title":
            return match[0]  # an ordinary colon or a mention
        if name not in self._said:
            self._said[name] = self._of(kind)
        return self._said[name]

    def _of(self, kind: str) -> str:
        """A value of a kind: the first person and the firm of a mail stay the same."""
        rng = self._rng
        if kind == "person":
            self._persons += 1
            return self.slots["full"] if self._persons % 2 else self.slots["person"]
        if kind == "link":
            return link_to(self.label, rng, unwanted=self._unwanted)
        if kind in _SLOT:
            other = fill(rng, self._language)
            return self.slots[_SLOT[kind]] if kind not in _SAID else other[rng.choice(_SAID[kind])]
        match kind:
            case "firm":
                return self.firm
            case "span":
                return str(rng.choice((1, 2, 3, 5, 7, 10, 12, 14, 15, 24, 30, 48)))
            case "ip":
                return f"203.0.113.{rng.randrange(1, 255)}"
            case "device":
                return rng.choice(
                    ("Firefox 128 (Windows)", "Chrome, Android", "Safari, iPhone", "Linux, Firefox", "Edge 126")
                )
            case _:
                return self.slots["file"].partition(".")[0]


#: Slot of the composed mail that holds a kind of value.
_SLOT = {
    "address": "email",
    "code": "code",
    "amount": "amount",
    "date": "date",
    "phone": "phone",
    "place": "city",
    "reference": "ref",
    "first": "first",
    "last": "last",
    "product": "thing",
}
#: Kinds of which a mail may name several different ones, and the slots they come from.
_SAID = {"amount": ("amount", "small"), "date": ("date",), "reference": ("order", "ref"), "product": ("thing",)}


def kind_of(name: str) -> str:
    """What a gap of this name holds; "title" when the name tells nothing."""
    return next((kind for kind, pattern in _KIND if pattern.search(name)), "title")


def emptied(text: str) -> str:
    """The text without template logic and with its gaps left out: what a template says in every mail."""
    return _LEFT.sub("", _GAP.sub(" ", _LOGIC.sub("", text)))
