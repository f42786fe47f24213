"""From the configuration to the store: recipients of one mail get what is theirs, in one transaction."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from gateway.delivery.commit import Commit, Outcome
from gateway.envelope import Peer, Recipient
from gateway.observe.stages import Stages
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.judge import Judgement
from gateway.pipeline.verdict import Action, decide
from gateway.policy.book import Book
from gateway.reputation.history import sender_history
from store.accounts.account import Account
from store.changes.engine import Store
from store.kv.contract import counter
from store.mail import quota
from store.policy import entries
from store.policy.entries import PolicyEntry, counter_name
from store.quarantine import held as quarantine
from store.schema import keys
from store.trace import rows as trace
from tests.gateway.delivery.test_commit import ID, in_mailbox, label_of, to, traced
from tests.gateway.policy.test_book import book, policy_at, rule
from tests.support.facts import authenticated, envelope, facts, mail
from tests.support.mail_store import START_MS, new_account

TRAP = Recipient("trap@example.com", is_trap=True)


async def receive(
    store: Store, made: Book, probability: float, *recipients: Recipient, proven: bool = True, ip: str = "192.0.2.7"
) -> Outcome:
    """Judge a mail with this probability by the book and what the store knows, and act."""
    sent = replace(envelope(), rcpt_to=recipients, peer=Peer(ip_address(ip), 1, "mx.shop.example"))
    seen = facts(mail(From="Eve <eve@partner.example>"), envelope=sent)
    if proven:
        seen = replace(seen, auth=authenticated("partner.example"))
    known = await sender_history(store, sent, seen.content, seen.auth)
    seen = replace(seen, history=known)
    evidence: list[Evidence] = []
    policy = policy_at(probability)
    ruled = made.judge(seen, evidence, decide(evidence, policy), policy)
    commit = Commit(store, "mx.example.com", 30, (0.6, 0.85, 1.0), label_of)
    return await commit.act(seen, Judgement(ruled.verdict, tuple(evidence), False, ruled), Stages())


async def headers_of(store: Store, row: trace.Trace, address: str, account: Account) -> str:
    [copy] = [each for each in row.outcomes if each.address == address]

    def blob(view: object) -> bytes:
        from store.mail import emails

        email = emails.get(view.account(account.id), copy.email)  # type: ignore[attr-defined]
        assert email is not None
        return email.blob  # type: ignore[no-any-return]

    octets = await store.blobs.read(await store.read(blob))  # type: ignore[arg-type]
    return octets.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")


async def hits(store: Store, name: str) -> int:
    return await store.read(lambda view: entries.hits(view, name))


async def test_delivered_for_one_junk_for_another_held_for_a_third(store: Store) -> None:
    ana, bob, eve = [await new_account(store, f"{name}@example.com") for name in ("ana", "bob", "eve")]
    made = book(
        rule("wanted", "deliver", **{"for": "ana@example.com"}),
        rule("unwanted", "refuse", **{"for": "eve@example.com"}),
    )
    outcome = await receive(store, made, 0.7, to(ana), to(bob), to(eve))
    assert outcome.action is Action.QUARANTINE
    row = await traced(store)
    assert {o.address: (o.action, o.rule, o.why) for o in row.outcomes} == {
        "ana@example.com": ("accept", "wanted", "wanted it is"),
        "bob@example.com": ("junk", "", ""),
        "eve@example.com": ("quarantine", "unwanted", "unwanted it is"),
    }
    assert [await in_mailbox(store, ana, "inbox"), await in_mailbox(store, bob, "junk")] == [1, 1]
    assert [await in_mailbox(store, eve, role) for role in ("inbox", "junk")] == [0, 0]
    held = await store.read(lambda view: quarantine.get(view, ID))
    assert held is not None
    assert ([c.address for c in held.copies], held.why) == (["eve@example.com"], "unwanted it is")
    assert (row.action, row.rule, row.blob) == ("quarantine", "unwanted", held.blob)
    assert [await hits(store, f"rule\x00{name}") for name in ("wanted", "unwanted")] == [1, 1]


async def test_each_copy_says_its_own_verdict_and_no_other_recipients(store: Store) -> None:
    ana, bob = await new_account(store, "ana@example.com"), await new_account(store, "bob@example.com")
    made = book(rule("wanted", "deliver", **{"for": "ana@example.com"}))
    await receive(store, made, 0.7, to(ana), to(bob))
    row = await traced(store)
    hers, his = [await headers_of(store, row, a.address, a) for a in (ana, bob)]
    assert "action=accept" in hers and "wanted it is" in hers
    assert "action=junk" in his and "wanted it is" not in his


async def test_two_addresses_of_one_account_are_one_mail_by_the_milder_verdict(store: Store) -> None:
    ana = await new_account(store, "ana@example.com")
    made = book(rule("wanted", "deliver", **{"for": "ana@example.com"}))
    await receive(store, made, 0.7, to(ana, "ana+list@example.com"), to(ana))
    assert [await in_mailbox(store, ana, role) for role in ("inbox", "junk")] == [1, 0]


@pytest.mark.parametrize(("then", "action"), [("refuse", Action.REJECT), ("defer", Action.DEFER)])
async def test_refused_and_deferred_only_when_all_agree(store: Store, then: str, action: Action) -> None:
    ana, bob = await new_account(store, "ana@example.com"), await new_account(store, "bob@example.com")
    outcome = await receive(store, book(rule("r", then)), 0.1, to(ana), to(bob))
    assert outcome.action is action
    row = await traced(store)
    assert (row.blob, [o.action for o in row.outcomes]) == (None, [action.name.lower()] * 2)
    # A mail that comes again counts then.
    assert await hits(store, "rule\x00r") == (1 if action is Action.REJECT else 0)


async def test_a_trap_beside_has_no_say(store: Store) -> None:
    ana = await new_account(store, "ana@example.com")
    outcome = await receive(store, book(rule("r", "refuse")), 0.1, TRAP, to(ana))
    assert outcome.action is Action.REJECT
    assert [o.action for o in (await traced(store)).outcomes] == ["trap", "reject"]


async def test_a_senders_standing_follows_the_evidence_not_the_rules(store: Store) -> None:
    ana = await new_account(store, "ana@example.com")
    await receive(store, book(rule("r", "hold")), 0.1, to(ana))
    sent = envelope()
    seen = facts(mail(From="Eve <eve@partner.example>"))
    known = await sender_history(store, sent, seen.content, authenticated("partner.example"))
    assert (known.ham, known.spam) == (1, 0)


async def test_a_full_mailbox_does_not_send_back_what_another_got(store: Store) -> None:
    ana, bob = await new_account(store, "ana@example.com"), await new_account(store, "bob@example.com")
    await store.write(lambda txn: quota.limit(txn.account(ana.id), most_octets=1))
    made = book(rule("wanted", "deliver", **{"for": "ana@example.com"}))
    outcome = await receive(store, made, 0.7, to(ana), to(bob))
    assert outcome.action is Action.JUNK


def entry(kind: str, scope: str = "", networks: tuple[str, ...] = (), expires_ms: int = 0) -> PolicyEntry:
    return PolicyEntry(kind, "@partner.example", "admin", "why", START_MS, expires_ms, scope, networks)


ENTRIES: dict[str, tuple[PolicyEntry, bool, tuple[str, str], int]] = {
    "block for one": (entry("block", "ana@example.com"), False, ("quarantine", "junk"), 1),
    "block for the domain": (entry("block", "@example.com"), False, ("quarantine", "quarantine"), 1),
    "block for nobody here": (entry("block", "eve@example.com"), False, ("junk", "junk"), 0),
    "allow for one": (entry("allow", "ana@example.com"), True, ("accept", "junk"), 1),
    "allow without proof": (entry("allow", "ana@example.com"), False, ("junk", "junk"), 0),
    "allow by network": (entry("allow", "ana@example.com", ("192.0.2.0/24",)), False, ("accept", "junk"), 1),
    "allow by another network": (entry("allow", "ana@example.com", ("198.51.100.0/24",)), False, ("junk", "junk"), 0),
    "expired": (entry("block", "ana@example.com", expires_ms=1), False, ("junk", "junk"), 0),
}


@pytest.mark.parametrize(("made", "proven", "expected", "counted"), ENTRIES.values(), ids=ENTRIES)
async def test_entries_of_the_store_concern_whom_they_name(
    store: Store, made: PolicyEntry, proven: bool, expected: tuple[str, str], counted: int
) -> None:
    ana, bob = await new_account(store, "ana@example.com"), await new_account(store, "bob@example.com")
    await store.write(lambda txn: entries.put(txn, made))
    await receive(store, book(), 0.7, to(ana), to(bob), proven=proven)
    assert tuple(o.action for o in (await traced(store)).outcomes) == expected
    assert await hits(store, counter_name(made.kind, made.subject, made.scope)) == counted


async def test_an_entry_taken_back_leaves_no_counter(store: Store) -> None:
    made = entry("block", "ana@example.com")
    ana = await new_account(store, "ana@example.com")
    await store.write(lambda txn: entries.put(txn, made))
    await receive(store, book(), 0.7, to(ana))
    await store.write(lambda txn: entries.remove(txn, "block", made.subject, made.scope))
    left = await store.read(lambda view: list(view.kv.scan(keys.POLICY_HITS, keys.prefix_end(keys.POLICY_HITS))))
    assert [counter(value) for _, value in left] == []
    assert await store.read(entries.everything) == []
