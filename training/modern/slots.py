"""What fills the gaps of a scenario: names, places, sums and dates, per language."""

import random
from functools import cache
from importlib import resources

_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag",
    "nl": "maandag dinsdag woensdag donderdag vrijdag zaterdag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi",
    "es": "lunes martes miércoles jueves viernes sábado",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado",
    "pl": "poniedziałek wtorek środa czwartek piątek sobota",
    "sv": "måndag tisdag onsdag torsdag fredag lördag",
    "ja": "月曜日 火曜日 水曜日 木曜日 金曜日 土曜日",
    "zh": "周一 周二 周三 周四 周五 周六",
}
_MONTHS = {
    "en": "January March May June August October November",
    "de": "Januar März Mai Juni August Oktober November",
    "nl": "januari maart mei juni augustus oktober november",
    "fr": "janvier mars mai juin août octobre novembre",
    "es": "enero marzo mayo junio agosto octubre noviembre",
    "it": "gennaio marzo maggio giugno agosto ottobre novembre",
    "pt": "janeiro março maio junho agosto outubro novembro",
    "pl": "styczeń marzec maj czerwiec sierpień październik listopad",
    "sv": "januari mars maj juni augusti oktober november",
    "ja": "1月 3月 5月 6月 8月 10月 11月",
    "zh": "一月 三月 五月 六月 八月 十月 十一月",
}

_FORTUNES = ("$4,500,000", "1.250.000 EUR", "£850,000", "2,400,000 USD", "3.2 million", "$15,800,000")
_COUNTRIES = ("GB", "DE", "FR", "LT", "PL")

Slots = dict[str, str]


@cache
def _values() -> dict[str, tuple[str, ...]]:
    """The lists of slots.txt."""
    lists: dict[str, tuple[str, ...]] = {}
    for line in (resources.files("training.modern") / "slots.txt").read_text("utf-8").splitlines():
        name, colon, rest = line.partition(": ")
        if colon and not line.startswith("#"):
            lists[name] = (*lists.get(name, ()), *rest.split("|"))
    return lists


def slug(name: str) -> str:
    """A brand as a label of a host name."""
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


def _sum(rng: random.Random, low: int, high: int, language: str) -> str:
    whole, cents = rng.randrange(low, high), rng.choice((0, 50, 90, 95, 99, rng.randrange(100)))
    if language == "en":
        text = f"{whole:,}.{cents:02d}"
        return rng.choice((f"${text}", f"£{text}", f"€{text}", f"{text} USD", f"{text} EUR"))
    if language in ("pl", "sv"):
        return f"{whole},{cents:02d} {'zł' if language == 'pl' else 'kr'}"
    if language in ("ja", "zh"):
        return f"{whole * 30:,}円" if language == "ja" else f"{whole}.{cents:02d}元"
    return rng.choice((f"{whole},{cents:02d} €", f"{whole},{cents:02d} EUR"))


def _clock(rng: random.Random, low: int, high: int) -> str:
    return f"{rng.randrange(low, high):02d}:{rng.choice(('00', '15', '30', '45'))}"


def _months(language: str) -> list[str]:
    """Names of months; English ones for a language that has none here."""
    return _MONTHS.get(language, _MONTHS["en"]).split()


def _date(rng: random.Random, language: str) -> str:
    day = rng.randrange(1, 29)
    if language in ("ja", "zh"):
        return f"{rng.randrange(1, 13)}月{day}日"
    if rng.random() < 0.4:
        return f"{day:02d}.{rng.randrange(1, 13):02d}.20{rng.randrange(19, 28)}"
    return f"{day} {rng.choice(_MONTHS.get(language, _MONTHS['en']).split())}"


def _reference(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(rng.randrange(2, 5)))
    return f"{letters}{rng.randrange(10**5, 10**9)}"


def fill(rng: random.Random, language: str) -> Slots:
    """One value for every slot: a mail speaks of the same person and parcel throughout."""
    values = {k: _values().get(f"{k}.{language}", v) for k, v in _values().items() if "." not in k}
    chosen = {name: rng.choice(values[name]) for name in sorted(values)}
    first, last = chosen["first"], chosen["last"]
    order = (str(rng.randrange(10**4, 10**8)), f"{rng.randrange(2000, 9999)}-{rng.randrange(1000, 9999)}")
    return chosen | {
        "full": f"{first} {last}",
        "email": f"{slug(first) or 'info'}.{slug(last) or 'office'}@firm{rng.randrange(40)}.example",
        "person": f"{rng.choice(values['first'])} {rng.choice(values['last'])}",
        "friend": rng.choice(values["first"]),
        "day": rng.choice(_DAYS.get(language, _DAYS["en"]).split()),
        "month": rng.choice(_months(language)),
        "date": _date(rng, language),
        "time": _clock(rng, 8, 13),
        "time2": _clock(rng, 13, 19),
        "amount": _sum(rng, 80, 4_900, language),
        "small": _sum(rng, 1, 60, language),
        "million": rng.choice(_FORTUNES),
        "percent": f"{rng.randrange(60, 99)}%",
        "order": rng.choice(order),
        "ref": _reference(rng),
        "code": f"{rng.randrange(10**6):06d}",
        "four": f"{rng.randrange(10**4):04d}",
        "number": str(rng.randrange(2, 90)),
        "room": str(rng.randrange(100, 500)),
        "phone": f"+{rng.randrange(1, 49)} {rng.randrange(200, 999)} {rng.randrange(10**6, 10**7)}",
        "iban": f"{rng.choice(_COUNTRIES)}{rng.randrange(10, 99)} {rng.randrange(1000, 9999)} "
        f"{rng.randrange(1000, 9999)} {rng.randrange(1000, 9999)}",
    }
