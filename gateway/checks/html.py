"""HTML that does more than show text."""

from collections.abc import Iterator

from gateway.content.psl import same_organisation
from gateway.pipeline.evidence import Evidence, PureCheck, Signal
from gateway.pipeline.facts import DataFacts
from models.links import host_of

FORM = Signal("html.form", "The mail asks for input in a form: {detail}", "phish")
SCRIPT = Signal("html.script", "The mail carries a script", "spam")
TOO_DEEP = Signal("html.too-deep", "The HTML is nested deeper than any program writes it", "spam")
REFRESH = Signal("html.refresh", "The mail tries to send the reader's program elsewhere: {detail}", "phish")
ONLY = Signal("html.no-plain-text", "The mail has HTML and no plain text", "")
TRACKING = Signal("html.lone-remote-image", "The mail loads a picture from a stranger's host: {detail}", "spam")
BASE = Signal("html.base-elsewhere", "The HTML turns all short links to a stranger's host: {detail}", "phish")

EMITS = frozenset({FORM, SCRIPT, TOO_DEEP, REFRESH, ONLY, TRACKING, BASE})


def look(facts: DataFacts) -> list[Evidence]:
    view = facts.view
    if not view.has_html:
        return []
    found = [*_forms(facts)]
    if view.script_count:
        found.append(Evidence(SCRIPT))
    if view.html_too_deep:
        found.append(Evidence(TOO_DEEP))
    for url in facts.content.urls:
        if url.source == "meta":
            found.append(Evidence(REFRESH, url.host))
            break
    base = next((host for link in view.links if link.kind == "base" and (host := host_of(link.href))), "")
    if base and not same_organisation(base, facts.content.from_domain):
        found.append(Evidence(BASE, base[:100]))
    if not view.plain_text:
        found.append(Evidence(ONLY))
    if view.remote_image_count == 1 and not view.links[1:]:
        host = next((u.host for u in facts.content.urls if u.source == "img"), "")
        if host and not same_organisation(host, facts.content.from_domain):
            found.append(Evidence(TRACKING, host))
    return found


def _forms(facts: DataFacts) -> Iterator[Evidence]:
    """A form that sends to the author's own domain is a survey; one that sends elsewhere wants a password."""
    if not facts.view.form_count:
        return
    targets = [u.host for u in facts.content.urls if u.source == "form" and u.host]
    strange = [h for h in targets if not same_organisation(h, facts.content.from_domain)]
    yield Evidence(FORM, (strange or targets or ["no target"])[0], 1.0 if strange or not targets else 0.4)


CHECK: PureCheck[DataFacts] = PureCheck("html", look, EMITS)
