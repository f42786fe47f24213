"""A loaded model against held-out samples, source by source."""

from collections.abc import Sequence

from models.artefact import Artefact
from models.reading import read
from training.corpus.sample import Sample
from training.evaluate.measures import Measures, measure


def nats_of(model: Artefact, sample: Sample, *, language: bool) -> float:
    """What the content models say together, without the prior; the words alone without ``language``."""
    words = model.bayes.score(sample.features)
    reader = model.language if language else None
    if reader is None:
        return words
    return read(model.bayes, model.stack, reader.score_text, sample.view, sample.features, words).log_odds


def evaluate(model: Artefact, samples: Sequence[Sample], *, language: bool = False) -> dict[str, Measures]:
    """Measures by source, and "all" when there is more than one. The prior is left out: classes count alike at 0.5."""
    scores = [nats_of(model, s, language=language) for s in samples]
    sources = sorted({s.source for s in samples})
    groups = {name: [i for i, s in enumerate(samples) if s.source == name] for name in sources}
    if len(sources) > 1:
        groups["all"] = list(range(len(samples)))
    return {
        name: measure([scores[i] for i in chosen], [samples[i].label.is_unwanted for i in chosen])
        for name, chosen in groups.items()
    }
