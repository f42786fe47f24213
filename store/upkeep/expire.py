"""Ending uploads whose time is over, also of people who bring nothing new."""

from store.accounts import account as accounts
from store.changes.engine import AccountId, Store, StoreView
from store.mail import uploads


async def end_uploads(store: Store, before_ms: int) -> int:
    """Forget every account's uploads from before then; how many. The collector takes their octets later."""

    def due(view: StoreView) -> list[AccountId]:
        oldest = {each.id: uploads.oldest_ms(view.account(each.id)) for each in accounts.all_accounts(view)}
        return [account for account, ms in oldest.items() if ms is not None and ms < before_ms]

    ended = 0
    while late := await store.read(due):
        for account in late:
            ended += await store.write(lambda txn, a=account: uploads.expire(txn.account(a), before_ms))  # type: ignore[misc]
    return ended
