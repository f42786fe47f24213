"""Mail is indexed by a job right after it came; what a lost hint or a dead worker left is found again."""

from datetime import UTC, datetime

from gateway.work import searching
from gateway.work.runner import Runner
from store.accounts.account import Account
from store.changes.announce import INDEX
from store.changes.engine import Store
from store.queue import jobs
from store.schema import keys
from store.search import state as states
from store.search.indexing import Indexer, IndexSettings
from store.search.state import IndexState
from tests.support.mail_store import START_MS, Letter, deliver, new_account

SETTINGS = IndexSettings()


def runner_of(store: Store, settings: IndexSettings = SETTINGS) -> Runner:
    later = datetime.fromtimestamp(store.clock() + 60, UTC)  # after whatever a job may be due
    return Runner(store, searching.kinds(store, settings)[:1], lambda: later)


async def state_of(store: Store, account: Account) -> IndexState:
    return await store.read(lambda view: states.get(view.account(account.id)))


async def is_marked(store: Store, account: Account) -> bool:
    return await store.read(lambda view: view.kv.get(keys.to_index(account.id)) is not None)


async def test_a_mail_wakes_the_follower_and_its_job_indexes_it(store: Store) -> None:
    account = await new_account(store)
    with store.subscribe(INDEX) as listener:
        email = await deliver(store, account, Letter().octets())
        assert await listener.wait(1.0)
    await searching.put_jobs(store)
    await searching.put_jobs(store)
    assert await runner_of(store).work_once() == 1
    assert (await state_of(store, account)).serving.upto == email.id
    assert not await is_marked(store, account)
    assert await runner_of(store).work_once() == 0


async def test_mail_that_comes_while_the_job_runs_is_not_forgotten(store: Store) -> None:
    account = await new_account(store)
    await deliver(store, account, Letter().octets())
    await searching.put_jobs(store)
    taken = await jobs.claim(store, [jobs.Wish(searching.KIND, 1, 60_000)], int(store.clock() * 1000) + 1_000)
    assert len(taken.jobs) == 1
    last = await deliver(store, account, Letter("Later", "2@a").octets())
    await searching.put_jobs(store)
    assert await store.write(lambda txn: jobs.finish(txn, taken.jobs[0], START_MS))
    assert await runner_of(store).work_once() == 1
    assert (await state_of(store, account)).serving.upto == last.id


async def test_an_account_without_a_mark_is_found(store: Store) -> None:
    account = await new_account(store)
    email = await deliver(store, account, Letter().octets())
    await store.write(lambda txn: txn.kv.delete(keys.to_index(account.id)))
    await searching.mark_behind(store, SETTINGS)
    assert await runner_of(store).work_once() == 1
    assert (await state_of(store, account)).serving.upto == email.id
    await searching.mark_behind(store, SETTINGS)
    assert not await is_marked(store, account)


async def test_another_limit_of_words_makes_the_index_anew(store: Store) -> None:
    account = await new_account(store)
    await deliver(store, account, Letter().octets())
    await Indexer(store, SETTINGS).catch_up(account.id)
    fewer = IndexSettings(most_words=5_000)
    await searching.mark_behind(store, fewer)
    assert await runner_of(store, fewer).work_once() == 1
    state = await state_of(store, account)
    assert (state.serving.most_words, state.building, state.dropping) == (5_000, None, ())


async def test_a_job_for_an_account_that_is_gone_leaves_nothing(store: Store) -> None:
    gone = 99
    await store.write(lambda txn: txn.kv.put(keys.to_index(gone), b""))
    await searching.put_jobs(store)
    assert await runner_of(store).work_once() == 1
    assert await store.read(lambda view: list(view.kv.scan(keys.scope(gone), keys.scope(gone + 1)))) == []
    assert await store.read(lambda view: view.kv.get(keys.to_index(gone))) is None
