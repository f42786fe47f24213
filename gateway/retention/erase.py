"""Erasing a person (GDPR Art. 17): everything that names them goes, except what a hold or a rule keeps, which is said.

One pass a kind of row, in transactions of some hundred rows, so it may be interrupted and run again; a pass that only
counts is the dry run. Mail in other people's mailboxes is theirs and stays. The pseudonym goes last: until then the
audit trail can say what is being done to whom, and afterwards only that it was done.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from gateway.outbound import relay
from gateway.retention.person import Person
from store.accounts import account as accounts
from store.accounts import directory, removal
from store.accounts.removal import Left
from store.audit import people
from store.changes.engine import Store, StoreTxn, StoreView
from store.labels import rows as labels
from store.mail import emails, kept
from store.policy import entries as policy
from store.quarantine import held as quarantine
from store.queue import jobs
from store.retention import rows
from store.retention.policy import Matter, Refusal, bare, may_delete, read_policy
from store.schema import expiring, keys
from store.schema.rows import pack
from store.trace import rows as traces

BATCH = 200  #: rows a transaction

Either = StoreTxn | StoreView


@dataclass(slots=True)
class Tally:
    """What was (or would be) erased, and what was kept and why."""

    erased: dict[str, int] = field(default_factory=dict)
    kept: dict[tuple[str, str], int] = field(default_factory=dict)

    def join(self, kind: str, step: "Step") -> None:
        if step.erased:
            self.erased[kind] = self.erased.get(kind, 0) + step.erased
        for why, count in step.kept.items():
            self.kept[kind, why] = self.kept.get((kind, why), 0) + count


@dataclass(slots=True)
class Step:
    """One transaction of a pass."""

    erased: int = 0
    kept: dict[str, int] = field(default_factory=dict)
    after: bytes | None = None  #: where to go on; None at the end

    def count(self, refusal: Refusal | None) -> None:
        if refusal is None:
            self.erased += 1
        else:
            self.keep(refusal)

    def keep(self, refusal: Refusal) -> None:
        self.kept[refusal.sentence] = self.kept.get(refusal.sentence, 0) + 1


Pass = Callable[[Either, Person, bytes], Step]


async def erase(
    store: Store, who: Person, by: str, *, is_dry: bool = False, on_step: Callable[[str], object] | None = None
) -> Tally:
    """Close the account, count its mail, run every pass, and let the account go. The pseudonym is left to the end."""
    tally = Tally()
    told = on_step or (lambda _: None)
    if who.account is not None and not is_dry:
        await store.write(lambda txn: _close(txn, who))
    for kind, one in PASSES:
        after: bytes | None = b""
        while after is not None:
            if is_dry or one is _mail:
                step = await store.read(lambda view, at=after, one=one: one(view, who, at))  # type: ignore[misc]
            else:
                step = await store.write(lambda txn, at=after, one=one: one(txn, who, at))  # type: ignore[misc]
            tally.join(kind, step)
            after = step.after
            told(kind)
    if who.account is not None and not is_dry:
        while await store.write(lambda txn: _leave(txn, who, by)) is Left.MORE:
            told("account")
    if who.account is not None:
        is_kept = any(kind == "mail" for kind, _ in tally.kept)
        tally.join("account", Step(0 if is_kept else 1, {"its mail is kept back": 1} if is_kept else {}))
    return tally


def _close(txn: StoreTxn, who: Person) -> None:
    assert who.account is not None
    account = accounts.get(txn.kv, who.account)
    if account is not None and not account.is_leaving:
        removal.begin(txn, account)


def _leave(txn: StoreTxn, who: Person, by: str) -> Left:
    assert who.account is not None
    account = accounts.get(txn.kv, who.account)
    return removal.step(txn, account, by) if account is not None else Left.NOTHING


def refusal_of(txn: Either, who: Person, matter: Matter) -> Refusal | None:
    if isinstance(txn, StoreTxn):
        return may_delete(txn, matter)
    return read_policy(txn.kv).refusal(matter, who.asked_ms)


def _rows(txn: Either, prefix: bytes, after: bytes, step: Step) -> Iterator[tuple[bytes, bytes]]:
    """The next rows of a space; tells the step where to go on."""
    found = list(txn.kv.scan(after or prefix, keys.prefix_end(prefix), limit=BATCH))
    if len(found) == BATCH:
        step.after = found[-1][0] + b"\x00"
    return iter(found)


def _mail(txn: Either, who: Person, after: bytes) -> Step:
    """What becomes of the person's own mail, those kept back before included; it goes with the account."""
    step = Step()
    if who.account is None:
        return step
    mine = txn.account(who.account)
    found = list(mine.scan(after or b"E", keys.prefix_end(b"E"), limit=BATCH))
    for _, row in found:
        email = emails.read_email(row)
        state = emails.state(mine, email.id)
        places = kept.places_of(mine, state.placements) if state is not None else frozenset()
        step.count(refusal_of(txn, who, kept.matter_of(mine, email, places)))
    step.after = found[-1][0] + b"\x00" if len(found) == BATCH else None
    return step


def _kept_mail(txn: Either, who: Person, after: bytes) -> Step:
    """Mail that the person destroyed before and that was kept back; it goes as soon as it may."""
    step = Step()
    if who.account is None:
        return step
    mine = txn.account(who.account)
    last = keys.read_u64(after) if after else 0
    some = list(kept.every(mine, last, BATCH))
    for each in some:
        step.count(refusal_of(txn, who, kept.matter_of(mine, each.email, frozenset(each.kept.places))))
    if isinstance(txn, StoreTxn):
        kept.drop_what_may_go(txn.account(who.account), last, BATCH)
    step.after = keys.u64(some[-1].email.id) if len(some) == BATCH else None
    return step


def _labels(txn: Either, who: Person, after: bytes) -> Step:
    """What was learned from their mail goes; what they said about others' mail is nobody's word any more."""
    step = Step()
    for _, row in _rows(txn, keys.LABEL + b"i", after, step):
        label = labels.read_label(row)
        of_trace = txn.kv.get(keys.TRACE + label.id.encode()) or b""
        of_held = txn.kv.get(keys.HELD + label.id.encode()) or b""
        if who.is_in(of_trace) or who.is_in(of_held):
            step.erased += 1
            if isinstance(txn, StoreTxn):
                labels.remove(txn, label)
        elif who.is_same(label.by):
            step.erased += 1
            if isinstance(txn, StoreTxn):
                labels.rename(txn, label, "")
    return step


def _label_order(txn: Either, who: Person, after: bytes) -> Step:
    """The order of labels forgets those that are gone."""
    step = Step()
    for key, reception in _rows(txn, keys.LABEL + b"s", after, step):
        if isinstance(txn, StoreTxn) and txn.kv.get(keys.LABEL + b"i" + reception) is None:
            txn.kv.delete(key)
    return step


def _quarantine(txn: Either, who: Person, after: bytes) -> Step:
    """Their copies of held mail; held mail that is from them, for everybody."""
    step = Step()
    for _, row in _rows(txn, keys.HELD, after, step):
        if not who.is_in(row):
            continue
        held = quarantine.read_held(row)
        refusal = refusal_of(txn, who, quarantine.matter_of(txn.kv, held))
        if refusal is not None:
            step.keep(refusal)
            continue
        step.erased += 1
        others = tuple(
            replace(copy, by="" if who.is_same(copy.by) else copy.by)
            for copy in held.copies
            if not who.is_same(copy.address)
        )
        left = replace(held, copies=others)
        if isinstance(txn, StoreTxn):
            quarantine.rewrite(txn, held, replace(held, copies=()) if who.is_in(msgspec.msgpack.encode(left)) else left)
    return step


def _traces(txn: Either, who: Person, after: bytes) -> Step:
    """Traces of their mail; of mail to several people only what names them."""
    step = Step()
    for key, row in _rows(txn, keys.TRACE, after, step):
        if not who.is_in(row):
            continue
        trace = traces.read_trace(row)
        refusal = refusal_of(txn, who, traces.matter_of(txn.kv, trace))
        if refusal is not None:
            step.keep(refusal)
            continue
        step.erased += 1
        left = replace(trace, outcomes=tuple(each for each in trace.outcomes if not who.is_same(each.address)))
        if not isinstance(txn, StoreTxn):
            continue
        if not left.outcomes or who.is_in(msgspec.msgpack.encode(left)):
            txn.kv.delete(key)
        else:
            traces.put(txn, left)
    return step


def _reputation(txn: Either, who: Person, after: bytes) -> Step:
    """Counters by address. Those of a domain or a network name nobody."""
    step = Step()
    for key, _ in _rows(txn, keys.REPUTATION + b"a" + who.address.partition("@")[0].encode(), after, step):
        if who.is_same(key[len(keys.REPUTATION) + 1 :].partition(b"\x00")[0].decode("utf-8", "replace")):
            step.erased += 1
            if isinstance(txn, StoreTxn):
                txn.kv.delete(key)
    return step


def _policy(txn: Either, who: Person, after: bytes) -> Step:
    """Entries about them; what they made for others stays without their name."""
    step = Step()
    for _, row in _rows(txn, keys.POLICY, after, step):
        if not who.is_in(row):
            continue
        step.erased += 1
        entry = policy.read_entry(row)
        if not isinstance(txn, StoreTxn):
            continue
        if who.is_same(entry.subject) or who.is_same(entry.scope):
            policy.remove(txn, entry.kind, entry.subject, entry.scope)
        else:
            reason = "" if who.is_in(entry.reason.encode()) else entry.reason
            policy.put(txn, replace(entry, owner="" if who.is_same(entry.owner) else entry.owner, reason=reason))
    return step


def _queue(prefix: bytes) -> Pass:
    """Mail from or to them that waits to be relayed, or was given up."""

    def one(txn: Either, who: Person, after: bytes) -> Step:
        step = Step()
        for key, row in _rows(txn, prefix, after, step):
            if who.is_in_key(key) or who.is_in(row):
                step.erased += 1
                if isinstance(txn, StoreTxn):
                    relay.drop(txn, jobs.read_job(row).id, "erasure", txn.now_ms)
        return step

    return one


class _SessionHead(msgspec.Struct, frozen=True, array_like=True):
    """The beginning of a console session (protocols/console, which lies above): whose it is."""

    account: int


_read_session = msgspec.msgpack.Decoder(_SessionHead)


def _sessions(txn: Either, who: Person, after: bytes) -> Step:
    step = Step()
    for key, row in _rows(txn, keys.SESSION, after, step):
        value = expiring.get(txn.kv, key, 0) if row else None
        if value is not None and _read_session.decode(value[1:]).account == who.account:
            step.erased += 1
            if isinstance(txn, StoreTxn):
                expiring.delete(txn.kv, key)
    return step


def _groups(txn: Either, who: Person, after: bytes) -> Step:
    """They are no member of any group any more."""
    step = Step()
    for key, row in _rows(txn, keys.GROUP, after, step):
        group = directory.read_group(row)
        left = tuple(each for each in group.members if not who.is_same(each))
        if left != group.members:
            step.erased += 1
            if isinstance(txn, StoreTxn):
                txn.kv.put(key, pack(replace(group, members=left)))
    return step


def _aliases(txn: Either, who: Person, after: bytes) -> Step:
    """No alias leads to them any more; one that led to nobody else goes."""
    step = Step()
    for key, _ in _rows(txn, keys.ADDRESS, after, step):
        alias = directory.get_alias(txn.kv, key[len(keys.ADDRESS) :].decode())
        if alias is None or not (who.is_same(alias.address) or any(who.is_same(each) for each in alias.targets)):
            continue
        step.erased += 1
        left = tuple(each for each in alias.targets if not who.is_same(each))
        if isinstance(txn, StoreTxn) and left and not who.is_same(alias.address):
            txn.kv.put(key, pack(replace(alias, targets=left)))
        elif isinstance(txn, StoreTxn):
            directory.remove_alias(txn, alias.address)
    return step


def _holds(txn: Either, who: Person, after: bytes) -> Step:
    """A hold about them stays as it is; that is its point."""
    step = Step()
    for hold in rows.holds(txn.kv):
        if who.address in hold.accounts or who.address in hold.people:
            step.keep(Refusal((hold.case,), "", 0))
    return step


def _rules(txn: Either, who: Person, after: bytes) -> Step:
    """A rule for their account goes with it, unless it keeps mail back."""
    step = Step()
    for rule in rows.rules(txn.kv):
        if who.is_same(rule.account) or who.is_same(rule.by):
            step.erased += 1
            if isinstance(txn, StoreTxn):
                rows.take_rule(txn, rule.name)
                if not who.is_same(rule.account):
                    rows.put_rule(txn, replace(rule, by=""))
    return step


def forget_name(txn: StoreTxn, who: Person) -> int:
    """Erase the person's pseudonyms, those of addresses with a "+detail" as well; how many."""
    mine = [name for name, _ in people.known(txn.kv) if bare(name) == who.address or who.is_in(name.encode())]
    return sum(people.erase(txn.kv, name) for name in mine)


PASSES: tuple[tuple[str, Pass], ...] = (
    ("legal holds", _holds),
    ("mail", _kept_mail),
    ("mail", _mail),
    ("groups", _groups),
    ("aliases", _aliases),
    ("labels", _labels),
    ("labels", _label_order),
    ("quarantine", _quarantine),
    ("traces", _traces),
    ("reputation", _reputation),
    ("policy entries", _policy),
    ("queue", _queue(keys.JOB)),
    ("queue", _queue(keys.JOB_DEAD)),
    ("sessions", _sessions),
    ("retention rules", _rules),
)
