"""Which language a text is in, as far as script and small words tell. For rules only; nothing is weighed by it."""

import re

MAX_TEXT = 2_000  #: characters that are looked at
_FEWEST = 3  #: small words of a language that must be seen, and one more than of any other

#: (first, last character, language), by what only one of the languages that rules are written about uses
_SCRIPTS = (
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u04ff", "ru"),
    ("\u0590", "\u05ff", "he"),
    ("\u0600", "\u06ff", "ar"),
    ("\u0e00", "\u0e7f", "th"),
    ("\u3040", "\u30ff", "ja"),
    ("\uac00", "\ud7af", "ko"),
    ("\u4e00", "\u9fff", "zh"),
)
_SMALL_WORDS = {
    "de": "der die das und nicht ist ich sie wir mit für auf ein eine den dem zu im von bitte haben wird",
    "en": "the and is you of to in for that with this are have your we it be please will on not",
    "es": "el los las que de una por para con su es como pero más usted esta gracias del se",
    "fr": "le les des une est vous pour dans que pas sur avec nous votre et du au ce je merci",
    "it": "il che di per una sono con non della gli è nel alla questo grazie del le ci",
    "nl": "de het een van en dat niet voor met zijn op u wij te aan is uw ook graag",
    "pl": "nie się na jest że do jak przez proszę dla oraz od po za czy są",
    "pt": "o os uma que não para com por mais você seu obrigado em da do as é ao",
}
_OF_WORD: dict[str, tuple[str, ...]] = {}
for _language, _words in _SMALL_WORDS.items():
    for _word in _words.split():
        _OF_WORD[_word] = (*_OF_WORD.get(_word, ()), _language)
_WORDS = re.compile(r"[^\W\d_]+")


def language_of(text: str) -> str:
    """Two letters of ISO 639-1, or "" when it cannot be told. Linear, bounded."""
    shown = text[:MAX_TEXT].casefold()
    letters = [c for c in shown if c > "\u036f"]
    if len(letters) * 4 > sum(c.isalpha() for c in shown):
        return _by_script(letters)
    counts: dict[str, int] = {}
    for word in _WORDS.findall(shown):
        for language in _OF_WORD.get(word, ()):
            counts[language] = counts.get(language, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] < _FEWEST or (len(ranked) > 1 and ranked[1][1] == ranked[0][1]):
        return ""
    return ranked[0][0]


def _by_script(letters: list[str]) -> str:
    counts = {name: sum(first <= c <= last for c in letters) for first, last, name in _SCRIPTS}
    if counts["ja"]:  # Japanese is written with Chinese characters, too; kana tell it
        counts["zh"] = 0
        counts["ja"] = len(letters)
    name = max(counts, key=lambda each: counts[each])
    return name if counts[name] * 2 > len(letters) else ""
