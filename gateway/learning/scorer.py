"""The models as the judge asks them: words, what was said here before, and the language model's correction."""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import blake2b

from gateway.envelope import Recipient
from gateway.learning.local import LocalOpinions
from gateway.pipeline.judge import Opinion
from models.artefact import Artefact
from models.counters import Commonness
from models.explain import WordParts
from models.explain import words as word_parts
from models.features import Features, extract
from models.lm import LanguageModel, LmScore
from models.reading import read
from models.view import MailView

TOP_WORDS = 5
REMEMBERED_SCORES = 2_000  #: of the language model, by text; newest kept


class ModelScorer:
    """Scores with one loaded artefact. Features are computed once a mail and used by words and likeness."""

    def __init__(self, artefact: Artefact, local: LocalOpinions | None, *, use_language: bool = True) -> None:
        self._artefact = artefact
        self._local = local
        self._use_language = use_language
        self._scores: dict[bytes, LmScore] = {}
        self._last: tuple[MailView, Features] | None = None
        self.model_ids: tuple[str, ...] = (artefact.id,)

    def use(self, artefact: Artefact) -> None:
        """Score with another model from the next mail on; one that is being judged may meet both."""
        self._scores = {}
        self._artefact = artefact
        self.model_ids = (artefact.id,)

    @property
    def has_language(self) -> bool:
        return self._use_language and self._artefact.language is not None

    def warm_up(self) -> None:
        """Open the language model before the first mail needs it. Raises ArtefactError when it is damaged."""
        if self._use_language and self._artefact.language is not None:
            self._artefact.language.open()

    def words(self, view: MailView) -> Opinion:
        features = self._features(view)
        bayes = self._artefact.bayes
        vector = bayes.vector(features)
        score = bayes.score(features, vector)
        pulls = bayes.top_words(view, features, TOP_WORDS, vector)
        named = ", ".join(pull.words for pull in pulls if (pull.nats > 0) == (score > 0) and is_readable(pull.words))
        return Opinion(score, named or ("unwanted" if score > 0 else "wanted"))

    async def prepare(self, to: Sequence[Recipient]) -> None:
        """Have at hand what these recipients and their domains said. Raises StoreUnavailable."""
        if self._local is not None:
            await self._local.prepare(to)

    def local(self, view: MailView) -> Opinion | None:
        if self._local is None:
            return None
        return self._local.everybody(self._features(view), Commonness(self._artefact.bayes.weights))

    def own(self, view: MailView, to: Sequence[Recipient]) -> Mapping[str, Opinion]:
        if self._local is None:
            return {}
        return self._local.own(self._features(view), Commonness(self._artefact.bayes.weights), to)

    def language(self, view: MailView, words: Opinion) -> Opinion | None:
        model = self._artefact.language if self._use_language else None
        if model is None:
            return None
        bayes, stack = self._artefact.bayes, self._artefact.stack
        ask = partial(self._read, model)
        reading = read(bayes, stack, ask, view, self._features(view), words.log_odds)
        score = reading.language
        kind = max(score.classes, key=lambda name: score.classes[name])
        return Opinion(reading.log_odds - words.log_odds, f"{kind} ({score.classes[kind]:.0%})", kind)

    def parts(self, view: MailView) -> WordParts:
        """What each word of a mail adds to the word model's answer, exactly."""
        return word_parts(self._artefact.bayes, view, extract(view))

    def leaning(self, view: MailView, *, use_language: bool) -> float:
        """What the models say of a whole mail in nats, not cut at their bounds: there no sentence would do anything."""
        features = extract(view)
        bayes, stack = self._artefact.bayes, self._artefact.stack
        raw = bayes.raw(features)
        words = bayes.calibration(raw.complement, raw.linear, raw.window)
        model = self._artefact.language if use_language and self._use_language else None
        if model is None:
            return words
        return stack.words * words + stack.language * self._read(model, view.normal).log_odds + stack.bias

    def _read(self, model: LanguageModel, normal: str) -> LmScore:
        """A campaign's mails are read once: the model sees nothing but the normal form."""
        key = blake2b(normal.encode("utf-8", "replace"), digest_size=16).digest()
        known = self._scores.get(key)
        if known is None:
            known = model.score_text(normal)
            self._scores[key] = known
            if len(self._scores) > REMEMBERED_SCORES:
                self._scores.pop(next(iter(self._scores)), None)
        return known

    def _features(self, view: MailView) -> Features:
        last = self._last
        if last is None or last[0] is not view:
            last = (view, extract(view))
            self._last = last
        return last[1]


def is_readable(words: str) -> bool:
    """Words a person wrote, not a structural token such as "link:count-0", and more than digits or signs."""
    return ":" not in words and any(letter.isalpha() for letter in words)
