"""Finds what should not leave a house unseen and can be told for sure: account and card numbers, private keys.

Everything is checked, not only shaped right: the IBAN's remainder (ISO 13616, ISO 7064), the card's Luhn digit (ISO/IEC
7812-1) and length by its issuer, a key's octets behind its header line. Linear in the text.
"""

import re
from collections.abc import Callable, Iterator, Mapping

_MOST = 1_000  #: different findings of one kind in one text
_CARD = re.compile(r"(?<![\w.,])(?=[2-6]\d\d)")  #: where one may begin: behind other numbers, too
_GROUP = re.compile(r"(\d{2,})(?:[ \u00a0-](?=\d)|)")
_SHORTEST = 12
_WIDEST = 19 + 8  #: characters of a card number with its gaps
_IBAN = re.compile(r"(?<![A-Za-z0-9])(?=([A-Za-z]{2}\d{2}(?:[ \u00a0]?[A-Za-z0-9]){11,32}))")
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----\s{1,4}"
    r"(?:[A-Za-z-]{1,30}: ?[^\n]{0,100}\s{1,4}){0,4}([A-Za-z0-9+/]{24})"
)
#: Octets of an IBAN by country, from the SWIFT registry.
_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
    }.items()
    for country in countries.split()
}
#: Digits of a card number by its first ones.
_ISSUERS = (
    (re.compile(r"4"), frozenset({13, 16, 19})),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), frozenset({16})),
    (re.compile(r"3[47]"), frozenset({15})),
    (re.compile(r"3(?:0[0-5]|[689])"), frozenset({14, 16})),
    (re.compile(r"35(?:2[89]|[3-8])"), frozenset({16})),
    (re.compile(r"6(?:011|4[4-9]|5)"), frozenset({16, 19})),
    (re.compile(r"62"), frozenset({16, 17, 18, 19})),
    (re.compile(r"5[06-9]|6(?:0(?!11)|1|3|7)"), frozenset({12, 13, 16, 18, 19})),
)


def ibans(text: str) -> Iterator[str]:
    """International bank account numbers whose remainder is right."""
    for match in _IBAN.finditer(text):
        compact = re.sub(r"[ \u00a0]", "", match[1]).upper()
        length = _LENGTHS.get(compact[:2], 0)
        number = compact[:length]  # words may follow it
        if length and len(number) == length and _remainder(number) == 1:
            yield number


def _remainder(number: str) -> int:
    turned = number[4:] + number[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97


def cards(text: str) -> Iterator[str]:
    """Payment card numbers: issuer, length and Luhn digit fit. Other numbers may stand before and behind one."""
    for match in _CARD.finditer(text):
        digits, at, end = "", match.start(), match.start() + _WIDEST
        while len(digits) < 19 and (group := _GROUP.match(text, at, end)) is not None:
            digits, at = digits + group[1], group.end()
            if len(digits) >= _SHORTEST and _is_card(digits):
                yield digits
                break


def _is_card(digits: str) -> bool:
    fits = any(start.match(digits) and len(digits) in lengths for start, lengths in _ISSUERS)
    return fits and len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def private_keys(text: str) -> Iterator[str]:
    """Private keys in PEM or OpenPGP armour: the header line and the beginning of what is behind it."""
    for match in _KEY.finditer(text):
        yield match[1]


DETECTORS: Mapping[str, Callable[[str], Iterator[str]]] = {"iban": ibans, "card": cards, "private-key": private_keys}


def count(kind: str, text: str) -> int:
    """How many different ones a text holds, at most 1,000."""
    found: set[str] = set()
    for each in DETECTORS[kind](text):
        found.add(each)
        if len(found) >= _MOST:
            break
    return len(found)
