"""A hold that is placed while mail is being deleted: the deletion is repeated, and sees it."""

import asyncio

from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store, StoreTxn
from store.kv.opening import open_kv
from store.mail import emails, kept
from store.mail.model import EmailId
from store.retention import rows
from store.retention.rows import Hold
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import Letter, deliver, new_account


async def open_store(url: str) -> Store:
    kv = await open_kv(url)
    return Store(kv, Blobs(kv), Announcer())


async def test_a_hold_between_the_question_and_the_commit_is_respected(postgres_url: str) -> None:
    deleting, holding = await open_store(postgres_url), await open_store(postgres_url)
    bob = await new_account(deleting)
    email = await deliver(deleting, bob, Letter().octets())
    loop, attempts = asyncio.get_running_loop(), 0

    async def place() -> None:
        await holding.write(lambda txn: rows.put_hold(txn, Hold("c", ("bob@b.example",), (), (), 0, 0, "", "", NOW)))

    def destroy(txn: StoreTxn) -> None:
        nonlocal attempts
        attempts += 1
        emails.destroy(txn.account(bob.id), EmailId(email.id))
        if attempts == 1:  # asked and allowed; somebody else is quicker to commit
            asyncio.run_coroutine_threadsafe(place(), loop).result(20)

    await deleting.write(destroy)
    back = await deleting.read(lambda view: [each.kept.why for each in kept.every(view.account(bob.id))])
    assert (attempts, back) == (2, ["legal hold c"])
    assert await deleting.read(lambda view: emails.get(view.account(bob.id), email.id)) is None
    await deleting.close()
    await holding.close()
