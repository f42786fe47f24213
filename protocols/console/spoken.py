"""What a person reads about a verdict, in the language their browser asks for: English or German."""

from msgspec.structs import replace
from starlette.requests import Request

from gateway.checks.spoken import in_language
from gateway.sentences.phrases import of_browser
from store.trace.rows import Trace

DEFAULT = "en"


def language_of(request: Request) -> str:
    return of_browser(request.headers.get("accept-language", "")[:500], DEFAULT)


def spoken(trace: Trace, language: str) -> Trace:
    """A trace with its sentences in a language; a rule's own sentence stays as it was written."""
    reasons = tuple(replace(r, sentence=in_language(r.signal, r.sentence, language)) for r in trace.reasons)
    signal_of = {old.sentence: new.sentence for old, new in zip(trace.reasons, reasons, strict=True)}
    outcomes = tuple(replace(o, why=signal_of.get(o.why, o.why)) for o in trace.outcomes)
    return replace(trace, reasons=reasons, outcomes=outcomes)


def spoken_why(why: str, trace: Trace | None, language: str) -> str:
    """A held mail's reason, found among those of its trace."""
    signals = (r.signal for r in trace.reasons if r.sentence == why) if trace is not None else ()
    return in_language(next(iter(signals), ""), why, language)
