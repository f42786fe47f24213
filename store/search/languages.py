"""The language of a mail, guessed by its commonest words, and the stems of words in it.

A guess costs one look-up a word. A mail whose language is not known has no stems: only what is written is found.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

import Stemmer

LOOKED_AT = 400  #: words of a mail
_FEWEST = 2  #: of its own common words, before a language is believed

#: Words as ``words.fold`` leaves them. The number of a language is kept in the index: never change one.
_COMMON = {
    1: (
        "english",
        "the and of to is that for it with you this are have not was be will your from our at on we as but if",
    ),
    2: ("german", "der die das und ist nicht ich sie wir mit fur auf ein eine den von zu im bitte sind"),
    3: ("french", "le la les des est et vous nous pour dans une pas que qui sur avec votre au ce je"),
    4: ("spanish", "el la los las que de y es en por para una con no su se lo como del esta"),
    5: ("italian", "il la di che e per un una con non del della sono le gli mi ti questo anche grazie"),
    6: ("portuguese", "o a os as de que e do da em um uma para com nao por no na se voce"),
    7: ("dutch", "de het een en van ik niet dat is op te zijn voor met u we wij aan bij je"),
    8: ("swedish", "och att det som en pa ar for med jag av inte till har vi den om ett du kan"),
    9: ("danish", "og at det er en til pa jeg ikke for af med de har vi den kan du som et"),
    10: ("norwegian", "og det er som til ikke jeg pa med av for har vi den kan du en et a om"),
    11: ("finnish", "ja on ei etta se en han mutta olen ole kun voi myos tai niin kuin ovat mita hei terveisin"),
    12: ("hungarian", "a az es hogy nem is egy van meg ez de mar csak volt vagy mint ha kell lesz koszonom"),
    13: ("romanian", "si de la in nu este un o cu pe care sa din pentru va mai ce au sunt multumesc"),
    14: ("turkish", "ve bir bu icin ile de da cok ne var ama daha gibi olarak ben sen biz degil olan kadar"),
    15: ("russian", "и в не на что я с как это по но мы для вы от за он она из так"),
    16: ("polish", "i w nie na to sie z do jest ze jak o po co za tak dla czy od ale"),
    17: ("czech", "a je se na v to ze s z do ne o za pro jak ale by k po jsem"),
    18: ("greek", "και το να του η της με για που την στο ειναι απο σε δεν τα των θα στην ο"),
}
ALGORITHMS = {number: name for number, (name, _) in _COMMON.items()}
UNKNOWN = 0

_SPEAKERS: dict[str, tuple[int, ...]] = {}
for _number, (_, _words) in _COMMON.items():
    for _word in _words.split():
        _SPEAKERS[_word] = (*_SPEAKERS.get(_word, ()), _number)

_mine = threading.local()  # a stemmer belongs to one thread


def guess(words: Iterable[str]) -> int:
    """The number of a language, UNKNOWN without a reason to believe one."""
    seen: Counter[int] = Counter()
    for word, times in Counter(islice(words, LOOKED_AT)).items():
        for number in _SPEAKERS.get(word, ()):
            seen[number] += times
    ranked = sorted(seen.items(), key=lambda pair: (-pair[1], pair[0]))
    return ranked[0][0] if ranked and ranked[0][1] >= _FEWEST else UNKNOWN


def stems(language: int, words: Sequence[str]) -> list[str]:
    """The stem of each word; the words themselves in a language that has none here."""
    name = ALGORITHMS.get(language)
    if name is None:
        return list(words)
    made: dict[str, Stemmer.Stemmer] = _mine.__dict__
    if name not in made:
        made[name] = Stemmer.Stemmer(name, 0)
    found: list[str] = made[name].stemWords(list(words))
    return found


def common_start(language: int, word: str) -> str:
    """What every word with the same stem starts with, as far as stemmers go: they change endings."""
    stem = stems(language, [word])[0]
    same = next((at for at, (a, b) in enumerate(zip(word, stem, strict=False)) if a != b), min(len(word), len(stem)))
    return word[: max(min(same, len(word) - 1) - 1, 2)]
