"""What ``mailward fsck`` says about holds, kept-back mail and pseudonyms that are damaged."""

from collections.abc import Callable

import pytest

from store.accounts import account as accounts
from store.audit import chain
from store.changes.engine import Store
from store.kv.contract import WriteTxn
from store.mail import emails
from store.mail.model import EmailId
from store.retention import rows
from store.retention.rows import Hold, Rule
from store.schema import keys
from store.schema.rows import RowDamaged
from store.upkeep import fsck
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, deliver, new_account, new_store

ANN = "ann@a.example"


async def build() -> Store:
    """A store with a hold, a rule, mail kept back and a name in the audit trail."""
    store = new_store()
    bob = await new_account(store)
    email = await deliver(store, bob, Letter().octets())
    await store.write(lambda txn: rows.put_hold(txn, Hold("case", ("bob@b.example",), (), (), 0, 0, "", ANN, NOW)))
    await store.write(lambda txn: rows.put_rule(txn, Rule("tax", 9, 0, "", "", "", "", ANN, NOW)))
    await store.write(lambda txn: emails.destroy(txn.account(bob.id), EmailId(email.id)))
    await store.write(lambda txn: chain.record(txn, NOW, ANN, "look", "x"))
    return store


def first(txn: WriteTxn, prefix: bytes) -> bytes:
    return next(txn.scan(prefix, keys.prefix_end(prefix)))[0]


def drop(prefix: bytes) -> Callable[[WriteTxn], None]:
    return lambda txn: txn.delete(first(txn, prefix))


def spoil(prefix: bytes) -> Callable[[WriteTxn], None]:
    return lambda txn: txn.put(first(txn, prefix), b"\x09")


BOB = keys.scope(1)
DAMAGE: dict[str, tuple[Callable[[WriteTxn], None], str]] = {
    "hold": (spoil(keys.HOLD), "so nothing may be deleted"),
    "rule": (spoil(keys.RULE), "so nothing may be deleted"),
    "kept, its link gone": (drop(keys.LINK), "octets are not linked"),
    "kept, its reason gone": (drop(BOB + b"KS"), "does not say when and why"),
    "kept, its email gone": (drop(BOB + b"KE"), "says why it is kept, but is not there"),
    "pseudonym, its way back gone": (drop(keys.PERSON), "does not lead back"),
    "pseudonym, its way there gone": (drop(keys.PSEUDONYM), "another, or none"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
async def test_damage_is_named(damage: Callable[[WriteTxn], None], said: str) -> None:
    store = await build()
    assert await fsck.findings_of(store) == []
    await store.kv.write(damage)
    assert any(said in finding.what for finding in await fsck.findings_of(store))


async def test_while_a_hold_cannot_be_read_nothing_is_deleted() -> None:
    store = await build()
    bob = await store.read(lambda view: accounts.find(view, "bob@b.example"))
    assert bob is not None
    email = await deliver(store, bob, Letter(message_id="9@a.example").octets())
    await store.kv.write(spoil(keys.HOLD))
    with pytest.raises(RowDamaged):
        await store.write(lambda txn: emails.destroy(txn.account(bob.id), EmailId(email.id)))
    assert await store.read(lambda view: emails.get(view.account(bob.id), email.id)) == email
