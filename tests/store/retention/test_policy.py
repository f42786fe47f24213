"""What holds and rules say about mail, as a table, and how they may be written."""

import pytest

from store.changes.engine import Store
from store.retention import rows
from store.retention.policy import DAY_MS, TRACE, Matter, Policy, Refusal, bare, may_delete, read_policy
from store.retention.rows import QUARANTINE, Hold, RetentionError, Rule
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import new_account, new_store


def hold(case: str = "A", **changes: object) -> Hold:
    given: dict[str, object] = {"accounts": (), "domains": (), "people": (), "after_ms": 0, "before_ms": 0}
    return Hold(case, **{**given, **changes}, reason="court", by="ann@x.example", placed_ms=NOW)  # type: ignore[arg-type]


def rule(
    name: str = "R", keep: int = 0, delete: int = 0, account: str = "", domain: str = "", mailbox: str = ""
) -> Rule:
    return Rule(name, keep, delete, account, domain, mailbox, "", "ann@x.example", NOW)


MAIL = Matter(frozenset({"bob@b.example"}), frozenset({"eve@e.example"}), NOW - 10 * DAY_MS, frozenset({"inbox", ""}))
HELD = Matter(MAIL.owners, MAIL.people, MAIL.received_ms, frozenset({QUARANTINE}))
SEEN = Matter(MAIL.owners, MAIL.people, MAIL.received_ms, frozenset({TRACE}))
UNTIL = MAIL.received_ms + 20 * DAY_MS

ANSWERS: dict[str, tuple[tuple[Hold, ...], tuple[Rule, ...], Matter, Refusal | None]] = {
    "nothing": ((), (), MAIL, None),
    "hold of the account": ((hold(accounts=("bob@b.example",)),), (), MAIL, Refusal(("A",), "", 0)),
    "hold of another account": ((hold(accounts=("rob@b.example",)),), (), MAIL, None),
    "hold of the domain": ((hold(domains=("b.example",)),), (), MAIL, Refusal(("A",), "", 0)),
    "hold of a domain above": ((hold(domains=("example",)),), (), MAIL, None),
    "hold of the sender's domain is about mailboxes": ((hold(domains=("e.example",)),), (), MAIL, None),
    "hold of a correspondent": ((hold(people=("eve@e.example",)),), (), MAIL, Refusal(("A",), "", 0)),
    "hold of a person who owns it": ((hold(people=("bob@b.example",)),), (), MAIL, Refusal(("A",), "", 0)),
    "a correspondent is no account": ((hold(accounts=("eve@e.example",)),), (), MAIL, None),
    "before the time": ((hold(domains=("b.example",), after_ms=MAIL.received_ms + 1),), (), MAIL, None),
    "at the start": ((hold(domains=("b.example",), after_ms=MAIL.received_ms),), (), MAIL, Refusal(("A",), "", 0)),
    "at the end": ((hold(domains=("b.example",), before_ms=MAIL.received_ms),), (), MAIL, None),
    "two holds": (
        (hold("A", accounts=("bob@b.example",)), hold("B", people=("eve@e.example",))), (), MAIL,
        Refusal(("A", "B"), "", 0),
    ),
    "kept long enough": ((), (rule(keep=10),), MAIL, None),
    "kept": ((), (rule(keep=20),), MAIL, Refusal((), "R", UNTIL)),
    "the longest keeps": ((), (rule("S", keep=15), rule("R", keep=20), rule("T", keep=11)), MAIL,
        Refusal((), "R", UNTIL)),
    "a longer one of another domain": ((), (rule("S", keep=99, domain="e.example"), rule(keep=20)), MAIL,
        Refusal((), "R", UNTIL)),
    "of the domain": ((), (rule(keep=20, domain="b.example"),), MAIL, Refusal((), "R", UNTIL)),
    "of the account": ((), (rule(keep=20, account="bob@b.example"),), MAIL, Refusal((), "R", UNTIL)),
    "of another account": ((), (rule(keep=20, account="rob@b.example"),), MAIL, None),
    "of the mailbox": ((), (rule(keep=20, mailbox="inbox"),), MAIL, Refusal((), "R", UNTIL)),
    "of another mailbox": ((), (rule(keep=20, mailbox="sent"),), MAIL, None),
    "deleting is not keeping": ((), (rule(delete=20),), MAIL, None),
    "hold and rule": ((hold(domains=("b.example",)),), (rule(keep=20),), MAIL, Refusal(("A",), "R", UNTIL)),
    "hold and a rule that is over": ((hold(domains=("b.example",)),), (rule(keep=1),), MAIL, Refusal(("A",), "", 0)),
    "a rule for mail is not about the quarantine": ((), (rule(keep=20),), HELD, None),
    "a rule for the quarantine": ((), (rule(keep=20, mailbox=QUARANTINE),), HELD, Refusal((), "R", UNTIL)),
    "a hold is about the quarantine": ((hold(domains=("b.example",)),), (), HELD, Refusal(("A",), "", 0)),
    "a rule is not about traces": ((), (rule(keep=20),), SEEN, None),
    "a hold is about traces": ((hold(people=("eve@e.example",)),), (), SEEN, Refusal(("A",), "", 0)),
}  # fmt: skip


@pytest.mark.parametrize(("holds", "rules", "matter", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_what_may_go(
    holds: tuple[Hold, ...], rules: tuple[Rule, ...], matter: Matter, expected: Refusal | None
) -> None:
    assert Policy(holds, rules).refusal(matter, NOW) == expected


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (Refusal(("A", "B"), "", 0), "legal hold A, B"),
        (Refusal((), "R", 1), "retention rule R"),
        (Refusal(("A",), "R", 1), "legal hold A and retention rule R"),
    ],
    ids=["holds", "rule", "both"],
)
def test_a_refusal_says_why(refusal: Refusal, sentence: str) -> None:
    assert refusal.sentence == sentence


@pytest.mark.parametrize(
    ("written", "compared"),
    [(" Bob+news@B.Example ", "bob@b.example"), ("+odd@b.example", "+odd@b.example"), ("nobody", "nobody")],
    ids=["detail", "only a detail", "no domain"],
)
def test_addresses_are_compared_bare(written: str, compared: str) -> None:
    assert bare(written) == compared


async def test_may_delete_reads_holds_rules_and_aliases_in_the_transaction(store: Store) -> None:
    bob = await new_account(store)
    await store.write(lambda txn: rows.put_hold(txn, hold(domains=("b.example",))))
    await store.write(lambda txn: rows.put_rule(txn, rule(keep=20)))
    assert (await store.read(lambda view: read_policy(view.kv))).is_empty is False
    found = await store.write(lambda txn: may_delete(txn, MAIL))
    assert found is not None and found.cases == ("A",)
    assert (await store.write(lambda txn: rows.take_hold(txn, "A"))).case == "A"
    assert await store.write(lambda txn: may_delete(txn, MAIL)) is None, "the rule is over by the wall clock"
    assert bob.address == "bob@b.example"


REFUSED: dict[str, tuple[Hold | Rule, str]] = {
    "a hold of nothing": (hold(), "at least one"),
    "a hold that ends first": (hold(domains=("x",), after_ms=2, before_ms=2), "ends before it begins"),
    "a case that exists": (hold("known", domains=("x",)), "exists"),
    "a case without a name": (hold("", domains=("x",)), "a name is"),
    "a case with a slash": (hold("a/b", domains=("x",)), "a name is"),
    "a long name": (hold("a" * 101, domains=("x",)), "a name is"),
    "a rule that does nothing": (rule(), "keeps mail for some days"),
    "a rule of negative days": (rule(keep=-1, delete=5), "keeps mail for some days"),
    "a rule against itself": (rule(keep=9, delete=8), "delete what it keeps"),
    "a rule that deletes held mail": (rule(delete=8, mailbox=QUARANTINE), "when it expires"),
    "a rule that exists": (rule("known", keep=1), "exists"),
}


@pytest.mark.parametrize(("row", "why"), REFUSED.values(), ids=REFUSED)
async def test_what_makes_no_sense_is_refused(row: Hold | Rule, why: str) -> None:
    store = new_store()
    await store.write(lambda txn: rows.put_hold(txn, hold("known", domains=("x",))))
    await store.write(lambda txn: rows.put_rule(txn, rule("known", keep=1)))
    with pytest.raises(RetentionError, match=why):
        if isinstance(row, Hold):
            await store.write(lambda txn: rows.put_hold(txn, row))
        else:
            await store.write(lambda txn: rows.put_rule(txn, row))


async def test_what_is_not_there_cannot_be_taken_away(store: Store) -> None:
    with pytest.raises(RetentionError, match="no hold is named"):
        await store.write(lambda txn: rows.take_hold(txn, "ghost"))
    with pytest.raises(RetentionError, match="no rule is named"):
        await store.write(lambda txn: rows.take_rule(txn, "ghost"))
