"""Who may send as whom, and how much: settled at MAIL, and again when the author's own name is known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.outbound.suspension import reason_against
from gateway.reply import Reply
from gateway.reputation import sending
from store.accounts import account as accounts
from store.accounts import directory
from store.accounts.account import Account, without_detail
from store.changes.engine import StoreView
from store.kv.contract import ReadTxn

NOT_YOURS = Reply(550, "5.7.1", "that sender address is not one of yours")
NO_ACCOUNT = Reply(535, "5.7.8", "your account is gone")
SUSPENDED = Reply(550, "5.7.1", "sending is suspended for your account; ask your administrator")
HOUR_FULL = Reply(451, "4.7.1", "you have written to very many people in this hour, please try again later")
DAY_FULL = Reply(451, "4.7.1", "you have written to very many people today, please try again tomorrow")
NO_AUTHOR = Reply(550, "5.6.0", "the mail has no From")


@dataclass(frozen=True, slots=True)
class Limits:
    """Recipients of one account; 0 is any number."""

    per_hour: int = 0
    per_day: int = 0


@dataclass(frozen=True, slots=True)
class Senders:
    """Answers whether an account may send."""

    is_ours: Callable[[ReadTxn, str], bool]
    limits: Limits

    def refusal(self, view: StoreView, login: str, mail_from: str, now_ms: int, more: int = 0) -> Reply | None:
        """Why an account may not send now, None when it may. ``more`` are recipients that would come on top.

        The null sender is taken: receipts have it (RFC 8098 §3).
        """
        account = accounts.find(view, login)
        if account is None or account.is_leaving:
            return NO_ACCOUNT
        if reason_against(view, account.address) is not None:
            return SUSPENDED
        if mail_from and not self.may_send_as(view, account, mail_from):
            return NOT_YOURS
        return self._too_much(view, account, now_ms, more)

    def of_authors(self, view: StoreView, login: str, authors: Sequence[str]) -> Reply | None:
        """Why a mail may not name these authors (From and Sender). RFC 6409 §6.1."""
        account = accounts.find(view, login)
        if account is None:
            return NO_ACCOUNT
        if not authors:
            return NO_AUTHOR
        return None if all(self.may_send_as(view, account, each) for each in authors) else NOT_YOURS

    def may_send_as(self, view: StoreView, account: Account, address: str) -> bool:
        """An account's own addresses, with a detail or without, and aliases that lead to it; groups are nobody's."""
        name = address.lower()
        own = {account.address, *account.aliases}
        if name in own or ("+" in name and without_detail(name) in own):
            return True
        if directory.get_alias(view.kv, name) is None:
            return False
        reached = directory.expand(view.kv, name, lambda domain: self.is_ours(view.kv, domain), account.address)
        return account.id in reached.accounts

    def _too_much(self, view: StoreView, account: Account, now_ms: int, more: int) -> Reply | None:
        if not (self.limits.per_hour or self.limits.per_day):
            return None
        row = sending.activity(view, account.id, now_ms)
        hour = row.hour.sent if row.hour.at == now_ms // sending.HOUR_MS else 0
        day = sum(each.sent for each in row.days if each.at == now_ms // sending.DAY_MS)
        if self.limits.per_hour and hour + max(more, 1) > self.limits.per_hour:
            return HOUR_FULL
        return DAY_FULL if self.limits.per_day and day + max(more, 1) > self.limits.per_day else None
