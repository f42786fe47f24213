"""Deleting by age: what the retention rules say goes, what was kept back long enough, old traces and audit entries.

Runs again and again, in transactions of some hundred mails each; being interrupted costs nothing but the time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from store.accounts import account as accounts
from store.accounts.account import Account
from store.audit import chain
from store.changes.engine import AccountId, AccountTxn, AccountView, Store, StoreTxn, StoreView
from store.mail import emails, kept, mailboxes, reading
from store.mail.model import Email, EmailId, EmailState, MailboxId
from store.quarantine import held as quarantine
from store.retention.policy import DAY_MS, Policy, concerns, owners_of, read_policy
from store.retention.rows import Rule
from store.schema import keys
from store.trace import rows as traces

BATCH = 200  #: mails a transaction
ACCOUNTS_AT_ONCE = 200  #: accounts a snapshot

Cursor = tuple[int, int]
"""Where a look at a mailbox goes on: after this time received and email, or (uid, 0)."""


@dataclass(slots=True)
class Count:
    """What one rule does, or would do."""

    mails: int = 0
    octets: int = 0
    refused: int = 0  #: of old enough mail that a hold or another rule keeps
    oldest_ms: int | None = None
    newest_ms: int | None = None

    def add(self, email: Email) -> None:
        self.mails += 1
        self.octets += email.size
        self.oldest_ms = min(email.received_ms, self.oldest_ms if self.oldest_ms is not None else email.received_ms)
        self.newest_ms = max(email.received_ms, self.newest_ms or 0)

    def join(self, other: "Count") -> None:
        self.mails, self.octets, self.refused = (
            self.mails + other.mails,
            self.octets + other.octets,
            self.refused + other.refused,
        )
        times = [ms for ms in (self.oldest_ms, other.oldest_ms) if ms is not None]
        self.oldest_ms = min(times, default=None)
        self.newest_ms = max(self.newest_ms or 0, other.newest_ms or 0) or None


@dataclass(slots=True)
class Report:
    """What a run did, or would do."""

    by_rule: dict[str, Count] = field(default_factory=dict)
    let_go: int = 0  #: mails that were kept back and need not be any more
    traces: int = 0
    held: int = 0  #: rows of settled quarantined mail
    audit: int = 0

    def totals(self) -> dict[str, int]:
        mails = sum(count.mails for count in self.by_rule.values())
        return {"mails": mails, "let_go": self.let_go, "traces": self.traces, "held": self.held, "audit": self.audit}

    def of(self, rule: str) -> Count:
        return self.by_rule.setdefault(rule, Count())


@dataclass(frozen=True, slots=True)
class Ages:
    """How long what is no mail is kept, in days; 0 is for ever."""

    trace_days: int = 0
    audit_days: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A mailbox and the rule for it."""

    account: AccountId
    mailbox: MailboxId
    role: str
    rule: Rule


async def run(
    store: Store,
    ages: Ages,
    *,
    is_preview: bool = False,
    on_account: Callable[[str], object] | None = None,
) -> Report:
    """Delete what is due (or only count it). ``on_account`` is told each account that was looked at."""
    report = Report()
    now_ms = int(store.clock() * 1000)
    policy = await store.read(lambda view: read_policy(view.kv))
    after = 0
    while batch := await store.read(lambda view, at=after: list(accounts.every(view, at, ACCOUNTS_AT_ONCE))):  # type: ignore[misc]
        for account in batch:
            await _run_account(store, account, policy, now_ms, report, is_preview=is_preview)
            if on_account is not None:
                on_account(account.address)
        after = batch[-1].id
    if not is_preview:
        report.let_go += await _let_held_go(store)
        if ages.trace_days:
            report.traces = await expire_traces(store, now_ms - ages.trace_days * DAY_MS)
            report.held = await expire_settled(store, now_ms - ages.trace_days * DAY_MS)
        if ages.audit_days:
            report.audit = await _trim_audit(store, now_ms - ages.audit_days * DAY_MS, now_ms)
    return report


def rule_for(policy: Policy, owners: frozenset[str], role: str) -> Rule | None:
    """The rule that deletes from a mailbox: one that names it counts before one for all, the longest among equals."""
    mine = [rule for rule in policy.rules if rule.delete_days and concerns(rule, owners)]
    named = [rule for rule in mine if role and rule.mailbox == role]
    return max(named or [rule for rule in mine if not rule.mailbox], key=lambda r: r.delete_days, default=None)


async def _run_account(
    store: Store, account: Account, policy: Policy, now_ms: int, report: Report, *, is_preview: bool
) -> None:
    places, has_kept = await store.read(lambda view: _places(view, account.id, policy))
    for place in places:
        if place.rule.mailbox and not is_preview:
            await store.write(lambda txn, place=place: _note_day(txn.account(account.id), place, now_ms))  # type: ignore[misc]
        cursor: Cursor | None = (-1, 0)
        while cursor is not None:
            count, cursor = await _batch(store, account.address, place, cursor, now_ms, is_preview=is_preview)
            report.of(place.rule.name).join(count)
    after, looked = 0, BATCH if has_kept and not is_preview else 0
    while looked == BATCH:
        looked, gone, after = await store.write(
            lambda txn, after=after: kept.drop_what_may_go(txn.account(account.id), after, BATCH)  # type: ignore[misc]
        )
        report.let_go += gone


def _places(view: StoreView, account: AccountId, policy: Policy) -> tuple[list[_Place], bool]:
    mine = view.account(account)
    has_kept = next(kept.every(mine, limit=1), None) is not None
    if not any(rule.delete_days for rule in policy.rules):
        return [], has_kept
    owners = owners_of(view.kv, account)
    found = ((mailbox, rule_for(policy, owners, mailbox.role)) for mailbox in mailboxes.list_all(mine))
    return [_Place(account, mailbox.id, mailbox.role, rule) for mailbox, rule in found if rule is not None], has_kept


async def _batch(
    store: Store, address: str, place: _Place, cursor: Cursor, now_ms: int, *, is_preview: bool
) -> tuple[Count, Cursor | None]:
    """Some mails of a mailbox; where to go on, None at the end. Writes only when there is something to delete."""

    def look(view: StoreView | StoreTxn) -> tuple[list[tuple[Cursor, EmailId]], AccountView]:
        mine = view.account(place.account)
        return list(_due(mine, place, cursor, now_ms)), mine

    def preview(view: StoreView) -> tuple[Count, Cursor | None]:
        due, mine = look(view)
        policy, count = read_policy(view.kv), Count()
        for _, email_id in due:
            _one(mine, policy, place, email_id, now_ms, count)
        return count, due[-1][0] if len(due) == BATCH else None

    def delete(txn: StoreTxn) -> tuple[Count, Cursor | None]:
        due, mine = look(txn)
        assert isinstance(mine, AccountTxn)
        policy, count = txn.once(read_policy), Count()
        for _, email_id in due:
            remaining = _one(mine, policy, place, email_id, now_ms, count)
            if remaining is not None:
                emails.set_mailboxes(mine, email_id, remaining)
        if count.mails:
            detail = f"{count.mails} mails, {count.octets} octets"
            chain.record(txn, now_ms, chain.PROGRAM, "retention.delete", place.rule.name, detail, people=(address,))
        return count, due[-1][0] if len(due) == BATCH else None

    if is_preview or not (await store.read(look))[0]:
        return await store.read(preview)
    return await store.write(delete)


def _one(
    view: AccountView, policy: Policy, place: _Place, email_id: EmailId, now_ms: int, count: Count
) -> list[MailboxId] | None:
    """Count one mail; the mailboxes it stays in when the rule takes it, None when it stays as it is."""
    email, state = emails.get(view, email_id), emails.state(view, email_id)
    if email is None or state is None:
        return None
    remaining = [mailbox for mailbox in state.placements if mailbox != place.mailbox]
    if not remaining and _refused(view, policy, email, state, now_ms):
        count.refused += 1
        return None
    count.add(email)
    return remaining


def _refused(view: AccountView, policy: Policy, email: Email, state: EmailState, now_ms: int) -> bool:
    if policy.is_empty:
        return False
    matter = kept.matter_of(view, email, kept.places_of(view, state.placements))
    return policy.refusal(matter, now_ms) is not None


def _due(view: AccountView, place: _Place, cursor: Cursor, now_ms: int) -> Iterator[tuple[Cursor, EmailId]]:
    """What is old enough for the rule, oldest first, from after the cursor."""
    found = _arrived(view, place, cursor, now_ms) if place.rule.mailbox else _received(view, place, cursor, now_ms)
    for _, pair in zip(range(BATCH), found, strict=False):
        yield pair


def _received(view: AccountView, place: _Place, cursor: Cursor, now_ms: int) -> Iterator[tuple[Cursor, EmailId]]:
    before_ms = now_ms - place.rule.delete_days * DAY_MS
    for ms, email_id in reading.by_date(
        view, place.mailbox, newest=False, after_ms=max(cursor[0], 0), before_ms=before_ms
    ):
        if (ms, email_id) > cursor:
            yield (ms, email_id), email_id


def _arrived(view: AccountView, place: _Place, cursor: Cursor, now_ms: int) -> Iterator[tuple[Cursor, EmailId]]:
    """A mailbox hands out UIDs in order, so what is below the uidnext of a day came before that day was over."""
    day = _latest_day(place, now_ms)
    row = next(view.scan(keys.mark(place.mailbox, 0), keys.mark(place.mailbox, day + 1), reverse=True, limit=1), None)
    if row is not None:
        for uid, email_id in reading.placements(view, place.mailbox, max(cursor[0], 0) + 1, keys.read_u32(row[1]) - 1):
            yield (uid, 0), email_id


def _latest_day(place: _Place, now_ms: int) -> int:
    """The last day whose whole is long enough ago: never early, at most a day late."""
    return max(now_ms // DAY_MS - place.rule.delete_days - 1, 0)


def _note_day(txn: AccountTxn, place: _Place, now_ms: int) -> None:
    """Remember the mailbox's uidnext once a day; days before the one that is compared with are forgotten."""
    today = keys.mark(place.mailbox, now_ms // DAY_MS)
    if txn.get(today) is None:
        txn.index(today, keys.u32(mailboxes.counts(txn, place.mailbox).uid_next))
    start, end = keys.mark(place.mailbox, 0), keys.mark(place.mailbox, _latest_day(place, now_ms) + 1)
    for key, _ in list(txn.scan(start, end))[:-1]:
        txn.unindex(key)


async def _let_held_go(store: Store) -> int:
    gone, after, looked = 0, "", BATCH
    while looked == BATCH:
        looked, dropped, after = await store.write(
            lambda txn, after=after: quarantine.drop_what_may_go(txn, after, BATCH)  # type: ignore[misc]
        )
        gone += dropped
    return gone


async def _trim_audit(store: Store, before_ms: int, now_ms: int) -> int:
    gone = 0
    while count := await store.write(lambda txn: chain.trim(txn, before_ms, now_ms)):
        gone += count
    return gone


async def expire_traces(store: Store, before_ms: int) -> int:
    """Forget what was judged before then, unless a hold is about it; how many."""
    return await _expire(store, lambda txn, after: traces.expire(txn, before_ms, after, BATCH))


async def expire_settled(store: Store, before_ms: int) -> int:
    """Forget rows of quarantined mail that came before then and that nobody waits for; how many."""
    return await _expire(store, lambda txn, after: quarantine.expire_settled(txn, before_ms, after, BATCH))


async def _expire(store: Store, step: Callable[[StoreTxn, str], tuple[int, str]]) -> int:
    gone, after = 0, ""
    while True:
        count, after = await store.write(lambda txn, after=after: step(txn, after))  # type: ignore[misc]
        gone += count
        if not after:
            return gone
