"""The lists: what is held, what was settled, all mail. Read in one snapshot, seen through the viewer's eyes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from protocols.console import words
from protocols.console.access import Viewer
from protocols.console.search import Query
from store.changes.engine import StoreView
from store.quarantine import held as quarantine
from store.quarantine.held import HELD, Held
from store.trace import rows as traces
from store.trace.rows import Trace

TABS = ("held", "settled", "all")


@dataclass(frozen=True, slots=True)
class Row:
    """One mail in a list."""

    id: str
    at_ms: int
    category: str
    state: str  #: of a held mail: held, released, deleted, expired; else ""
    action: str
    probability: float
    thresholds: tuple[float, float, float]
    from_name: str
    from_address: str
    mail_from: str
    subject: str
    why: str
    recipients: tuple[str, ...]
    links: tuple[str, ...]
    differ: str = ""  #: what became of the copies, where recipients differ: "1 held, 1 delivered"
    settled_by: str = ""
    settled_ms: int = 0
    way: str = "in"  #: "out" is mail of our own people

    @property
    def is_held(self) -> bool:
        return self.state == HELD


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list."""

    rows: tuple[Row, ...]
    matching: int  #: rows that match, on all pages
    looked_at: int  #: rows that were searched
    is_cut: bool  #: older rows were not searched
    page: int
    pages: int


def is_different(trace: Trace) -> bool:
    """Whether the recipients got different verdicts."""
    return len({(outcome.action, outcome.why) for outcome in trace.outcomes}) > 1


def shares_of(trace: Trace) -> str:
    """How many copies went which way; "" when all went the same."""
    counts = Counter(outcome.action for outcome in trace.outcomes)
    if len(counts) < 2:
        return ""
    return ", ".join(f"{count} {words.action(name).word.lower()}" for name, count in counts.most_common())


def of_held(held: Held, trace: Trace | None) -> Row:
    """A held (or settled) mail; the trace, when it is still kept, adds the thresholds and link hosts."""
    name, address = traces.author(held.header_from)
    settled = max(held.copies, key=lambda c: c.at_ms, default=None)
    state = HELD if held.is_held else (settled.state if settled is not None else "")
    return Row(
        id=held.id,
        at_ms=held.held_ms,
        category=held.category,
        state=state,
        action="quarantine",
        probability=held.probability,
        thresholds=trace.thresholds if trace is not None else (0.6, 0.85, 0.995),
        from_name=name,
        from_address=address or held.mail_from,
        mail_from=held.mail_from,
        subject=held.subject,
        why=held.why,
        recipients=tuple(c.address for c in held.copies),
        links=trace.links if trace is not None else (),
        differ=shares_of(trace) if trace is not None else "",
        settled_by=settled.by if settled is not None and state != HELD else "",
        settled_ms=settled.at_ms if settled is not None and state != HELD else 0,
        way="out" if held.is_outgoing else "in",
    )


def of_trace(trace: Trace, state: str = "") -> Row:
    """Any mail, with the reason that weighs most in the direction it was decided."""
    name, address = traces.author(trace.header_from)
    strongest = max(
        (r for r in trace.reasons if r.signal != "prior"),
        key=lambda r: abs(r.nats) if (r.nats > 0) == (trace.action != "accept") else -1.0,
        default=None,
    )
    only = trace.outcomes[0] if len(trace.outcomes) == 1 else None  # or the one that this viewer may see
    return Row(
        id=trace.id,
        at_ms=trace.received_ms,
        category=trace.category,
        state=state,
        action=only.action if only is not None else trace.action,
        probability=trace.probability,
        thresholds=trace.thresholds,
        from_name=name,
        from_address=address or trace.mail_from,
        mail_from=trace.mail_from,
        subject=trace.subject,
        why=(only.why if only is not None else "") or (strongest.sentence if strongest is not None else ""),
        differ=shares_of(trace),
        recipients=tuple(o.address for o in trace.outcomes),
        links=trace.links,
        way="out" if trace.is_outgoing else "in",
    )


@dataclass(slots=True)
class Tally:
    """How many rows were read, seen by the viewer or not."""

    read: int = 0


def everything(
    view: StoreView, viewer: Viewer, tab: str, limit: int, tally: Tally | None = None, *, with_traces: bool = True
) -> Iterator[Row]:
    """The rows of a tab in its order, as far as the viewer may see them. Traces of held mail cost a read each."""
    tally = tally if tally is not None else Tally()
    if tab == "all":
        for trace in traces.newest(view, limit):
            tally.read += 1
            seen = viewer.trace(trace)
            if seen is not None:
                yield of_trace(seen, _state(view, viewer, seen))
        return
    for held in _held(view, viewer, tab, limit):
        tally.read += 1
        own = viewer.held(held)
        if own is not None and own.is_held == (tab == "held"):
            yield of_held(own, viewer.trace(traces.get(view, held.id)) if with_traces else None)


def _held(view: StoreView, viewer: Viewer, tab: str, limit: int) -> Iterable[Held]:
    """Rows of the quarantine in the order of a tab. A person's own are found without looking at anybody else's."""
    if viewer.is_admin:
        return quarantine.by_doubt(view, limit) if tab == "held" else quarantine.newest(view, limit)
    own = {held.id: held for held in quarantine.to_account(view, viewer.account.id, limit)}
    for address in (viewer.account.address, *viewer.account.aliases):
        own |= {held.id: held for held in quarantine.to_recipient(view, address, limit)}
    if tab == "held":
        return sorted((held for held in own.values() if held.is_held), key=lambda held: (held.doubt, held.id))
    return sorted(own.values(), key=lambda held: held.id, reverse=True)


def _traced(view: StoreView, viewer: Viewer, row: Row) -> Row:
    trace = viewer.trace(traces.get(view, row.id))
    if trace is None:
        return row
    return replace(row, thresholds=trace.thresholds, links=trace.links, differ=shares_of(trace))


def _state(view: StoreView, viewer: Viewer, trace: Trace) -> str:
    if all(o.action != "quarantine" for o in trace.outcomes):
        return ""
    held = viewer.held(quarantine.get(view, trace.id))
    return of_held(held, None).state if held is not None else ""


def listing(
    viewer: Viewer, tab: str, query: Query, page: int, page_rows: int, limit: int
) -> Callable[[StoreView], Listing]:
    """A read of one page. Someone who sees only their own mail is searched for ten times as far."""
    far = limit if viewer.is_admin else limit * 10

    searches_links = any(term.field == "link" for term in query.terms)

    def body(view: StoreView) -> Listing:
        tally = Tally()
        found = list(everything(view, viewer, tab, far, tally, with_traces=searches_links))
        matching = [row for row in found if query.matches(row)]
        pages = max(1, -(-len(matching) // page_rows))
        at = min(max(page, 1), pages)
        shown = matching[(at - 1) * page_rows : at * page_rows]
        if tab != "all" and not searches_links:
            shown = [_traced(view, viewer, row) for row in shown]
        return Listing(tuple(shown), len(matching), len(found), tally.read >= far, at, pages)

    return body


def held_count(viewer: Viewer, limit: int) -> Callable[[StoreView], int]:
    """How many mails wait, for the tab: cheap for an administrator, counted for anyone else."""

    def body(view: StoreView) -> int:
        if viewer.is_admin:
            return quarantine.count(view)
        return sum(1 for _ in everything(view, viewer, "held", limit * 10, with_traces=False))

    return body
