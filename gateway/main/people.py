"""``mailward user``: accounts, from the first password to the last row."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from tqdm import tqdm

from gateway.config import load
from gateway.main.administration import COMMAND_LINE, with_store
from gateway.main.failures import told_plainly
from gateway.main.services import utc_now
from gateway.settings import Config
from store.accounts import account as accounts
from store.accounts import directory, removal
from store.accounts.account import Account, AddressTaken
from store.accounts.directory import Circular, TooManyTargets
from store.accounts.login import hash_password
from store.accounts.removal import Left
from store.audit import chain
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.mail import domains, quota
from store.mail.domains import of_address
from store.mail.quota import INHERIT

SHORTEST_PASSWORD = 8


class Refused(Exception):
    """What a person asked for cannot be done; the text says why and what to do. Nothing was changed."""

    code = 1


class WrongUsage(Refused):
    code = 2


def change(config_path: Path, body: Callable[[StoreTxn, Config], str]) -> int:
    """Do one thing in one transaction and say what was done, or why not."""
    with told_plainly():
        config = load(config_path)

    async def work(store: Store) -> int:
        try:
            print("  " + await store.write(lambda txn: body(txn, config)))
        except AddressTaken as error:
            print(f"mailward: {error}: an account, an alias or a group has this address already", file=sys.stderr)
        except Circular as error:
            print(f"mailward: that would go in a circle: {error}; nothing was changed", file=sys.stderr)
        except TooManyTargets as error:
            most = f"{directory.MOST_REACHED} addresses, {directory.MOST_DEPTH} deep"
            print(f"mailward: {error}: would lead to more than {most}; nothing was changed", file=sys.stderr)
        except Refused as error:
            print(f"mailward: {error}", file=sys.stderr)
            return error.code
        else:
            return 0
        return 1

    return with_store(config_path, work)


def note(txn: StoreTxn, act: str, target: str, detail: str = "") -> None:
    """Write what was done into the audit trail."""
    chain.record(txn, txn.now_ms, COMMAND_LINE, act, target, detail)


def is_ours(kv: ReadTxn, config: Config, domain: str) -> bool:
    """Whether mail for a domain is kept here, by the configuration or the store."""
    rule = config.domain.get(domain)
    return rule.deliver == "local" if rule is not None else domains.get(kv, domain) is not None


def checked_address(kv: ReadTxn, config: Config, address: str) -> str:
    """An address of a domain of ours, in lower case. Raises Refused."""
    local, _, domain = address.strip().lower().rpartition("@")
    if not local or set(local) & set(' \t\r\n<>,;:"()'):
        raise WrongUsage(f"{address}: no address; write one as name@example.com")
    if not is_ours(kv, config, domain):
        raise WrongUsage(
            f"{address}: {domain} is not a domain whose mail is kept here; `mailward domain list` shows them, "
            f"`mailward domain add {domain}` adds it"
        )
    return f"{local}@{domain}"


def account_of(kv: ReadTxn, address: str) -> Account:
    """Raises Refused when nobody has this address."""
    found = accounts.find(StoreView(kv), address)
    if found is None:
        raise Refused(f"{address}: no such user; `mailward user list` shows them")
    return found


def add_user(
    config_path: Path, address: str, name: str, password: str, *, aliases: tuple[str, ...], is_admin: bool
) -> int:
    """Make an account. The password is hashed before the store is asked, so that no transaction waits for it."""
    if len(password) < SHORTEST_PASSWORD:
        print(f"mailward: the password is too short; use at least {SHORTEST_PASSWORD} characters", file=sys.stderr)
        return 2
    hashed = hash_password(password)

    def body(txn: StoreTxn, config: Config) -> str:
        wanted = checked_address(txn.kv, config, address)
        others = tuple(checked_address(txn.kv, config, alias) for alias in aliases)
        _check_room(txn, of_address(wanted))
        roles = ("admin",) if is_admin else ()
        accounts.create(txn, wanted, name, hashed, int(utc_now().timestamp()), roles=roles, aliases=others)
        note(txn, "user.add", wanted)
        return f"{wanted} can receive mail and sign in"

    return change(config_path, body)


def _check_room(txn: StoreTxn, name: str) -> None:
    domain = domains.get(txn.kv, name)
    if domain is None or not domain.most_accounts:
        return
    have = sum(of_address(each.address) == name for each in accounts.every(StoreView(txn.kv)))
    if have >= domain.most_accounts:
        raise Refused(
            f"{name} has {have} accounts and may have {domain.most_accounts}; see `mailward domain add --help`"
        )


def set_password(config_path: Path, address: str, password: str) -> int:
    if len(password) < SHORTEST_PASSWORD:
        print(f"mailward: the password is too short; use at least {SHORTEST_PASSWORD} characters", file=sys.stderr)
        return 2
    hashed = hash_password(password)

    def body(txn: StoreTxn, _: Config) -> str:
        account = account_of(txn.kv, address)
        accounts.save(txn, replace(account, password_hash=hashed))
        note(txn, "user.password", account.address)
        return f"{account.address} signs in with the new password from now on"

    return change(config_path, body)


def set_quota(config_path: Path, address: str, mails: int | None, octets: int | None) -> int:
    """Give an account limits of its own; without any, say what holds."""

    def body(txn: StoreTxn, _: Config) -> str:
        account = account_of(txn.kv, address)
        own = txn.account(account.id)
        if mails is not None or octets is not None:
            quota.limit(own, most_mails=mails, most_octets=octets)
            note(txn, "user.quota", account.address, f"mails {_word(mails)}, octets {_word(octets)}")
        now = quota.standing(txn.kv, own)
        limits = f"{now.most_mails or 'any number of'} mails and {now.most_octets or 'any number of'} octets"
        return f"{account.address} holds {now.mails} mails of {now.octets} octets and may hold {limits}"

    return change(config_path, body)


def _word(limit: int | None) -> str:
    if limit is None:
        return "as before"
    return {INHERIT: "as the domain", 0: "no limit"}.get(limit, str(limit))


def list_users(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        after = 0
        while some := await store.read(lambda view: _page(view, after)):  # noqa: B023 - read before the next round
            for account, now in some:
                _show(account, now, as_json)
            after = some[-1][0].id
        return 0

    return with_store(config_path, work)


def _page(view: StoreView, after: int) -> list[tuple[Account, quota.Standing]]:
    some = accounts.every(view, after, limit=200)
    return [(each, quota.standing(view.kv, view.account(each.id))) for each in some]


def _show(account: Account, now: quota.Standing, as_json: bool) -> None:
    if as_json:
        row = {
            "address": account.address,
            "name": account.name,
            "aliases": list(account.aliases),
            "roles": list(account.roles),
            "leaving": account.is_leaving,
            "mails": now.mails,
            "octets": now.octets,
            "most_mails": now.most_mails or None,
            "most_octets": now.most_octets or None,
        }
        print(json.dumps(row, ensure_ascii=False))
        return
    marks = [*account.roles, *(["is being removed"] if account.is_leaving else [])]
    shown = f"  {account.address:<40} {now.mails:>8} mails {now.octets:>14} octets  {' '.join(marks)}"
    print(shown.rstrip())


def remove_user(config_path: Path, address: str) -> int:
    """Remove an account with its mail. Cut short, it goes on when called again, or by itself under ``serve``."""

    async def work(store: Store) -> int:
        try:
            account, mails = await store.write(lambda txn: _begin(txn, address))
        except Refused as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 1
        left = Left.MORE
        with tqdm(total=mails, unit=" mails", file=sys.stderr, disable=None, leave=False) as bar:
            while left is Left.MORE:
                left = await store.write(lambda txn: removal.step(txn, account, COMMAND_LINE))
                bar.update(min(removal.MAILS, max(mails - bar.n, 0)))
        if left is Left.KEPT:
            print(f"  {account.address} is gone for everybody; mail that a hold or a rule keeps stays until it may go")
        else:
            print(
                f"  {account.address} is removed; what its mails occupied is freed within minutes by `mailward serve`"
            )
        return 0

    return with_store(config_path, work)


def _begin(txn: StoreTxn, address: str) -> tuple[Account, int]:
    everybody = accounts.every(StoreView(txn.kv))
    leaving = next((each for each in everybody if each.is_leaving and each.address == address.lower()), None)
    found = accounts.find(StoreView(txn.kv), address)
    account = found if found is not None and found.address == address.lower() else leaving
    if account is None:
        hint = f"; it is an alias of {found.address}" if found is not None else "; `mailward user list` shows them"
        raise Refused(f"{address}: no such user{hint}")
    if not account.is_leaving:
        removal.begin(txn, account)
        note(txn, "user.remove", account.address)
    return account, quota.standing(txn.kv, txn.account(account.id)).mails
