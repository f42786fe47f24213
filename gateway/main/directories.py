"""``mailward domain``, ``alias`` and ``group``: what the store adds to the configuration."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.config import load
from gateway.main.administration import with_store
from gateway.main.failures import told_plainly
from gateway.main.people import Refused, account_of, change, checked_address, is_ours, note
from gateway.settings import Config
from store.accounts import account as accounts
from store.accounts import directory
from store.accounts.directory import Alias, Group
from store.changes.engine import Store, StoreTxn, StoreView
from store.mail import domains
from store.mail.domains import Domain, of_address

_NOT_IN_NAMES = frozenset(' \t\r\n@/:\\,;<>"')


def put_domain(config_path: Path, name: str, settings: dict[str, Any]) -> int:
    """Add a domain, or change what is set for it; only settings that were given change."""

    def body(txn: StoreTxn, config: Config) -> str:
        wanted = name.strip().lower().rstrip(".")
        if not wanted or "." not in wanted or set(wanted) & _NOT_IN_NAMES:
            raise Refused(f"{name}: no domain name; write one as example.com")
        rule = config.domain.get(wanted)
        if rule is not None and rule.deliver != "local":
            raise Refused(f"{wanted}: the configuration relays its mail to another host; change that there first")
        before = domains.get(txn.kv, wanted)
        domain = replace(before or Domain(wanted, created_ms=txn.now_ms), **settings)
        if domain.catch_all and of_address(domain.catch_all) in {wanted} and not _is_known(txn, domain.catch_all):
            raise Refused(f"{domain.catch_all}: nobody has this address, so it cannot be the catch-all")
        domains.put(txn, domain)
        note(
            txn, "domain.change" if before else "domain.add", wanted, ", ".join(f"{k} {v}" for k, v in settings.items())
        )
        return f"mail for {wanted} is {'kept here' if domain.is_enabled else 'refused until it is enabled'}"

    return change(config_path, body)


def _is_known(txn: StoreTxn, address: str) -> bool:
    view = StoreView(txn.kv)
    named = directory.get_alias(txn.kv, address) or directory.get_group(txn.kv, address)
    return accounts.find(view, address) is not None or named is not None


def remove_domain(config_path: Path, name: str) -> int:
    """Take a domain out of the store. Raises Refused while addresses of it are in use."""

    def body(txn: StoreTxn, config: Config) -> str:
        wanted = name.lower()
        if domains.get(txn.kv, wanted) is None:
            where = "the configuration has it, take it out there" if wanted in config.domain else "no such domain"
            raise Refused(f"{wanted}: {where}; `mailward domain list` shows them")
        in_use = "" if wanted in config.domain else _in_use(StoreView(txn.kv), wanted)
        if in_use:
            raise Refused(f"{wanted}: {in_use} is in use; remove its users, aliases and groups first")
        domains.remove(txn, wanted)
        note(txn, "domain.remove", wanted)
        rest = (
            "stays, by the configuration, without the settings of the store" if wanted in config.domain else "is gone"
        )
        return f"{wanted} {rest}"

    return change(config_path, body)


def _in_use(view: StoreView, domain: str) -> str:
    """An address of a domain that leads somewhere, "" when there is none."""
    for each in accounts.every(view):
        mine = [address for address in (each.address, *each.aliases) if of_address(address) == domain]
        if mine and not each.is_leaving:
            return mine[0]
    others: Iterable[Alias | Group] = (*directory.every_alias(view), *directory.every_group(view))
    return next((other.address for other in others if of_address(other.address) == domain), "")


def list_domains(config_path: Path, *, as_json: bool) -> int:
    with told_plainly():
        config = load(config_path)

    async def work(store: Store) -> int:
        rows = {each.name: each for each in await store.read(lambda view: list(domains.every(view)))}
        for name in sorted({*rows, *config.domain}):
            _show_domain(name, rows.get(name), config, as_json=as_json)
        return 0

    return with_store(config_path, work)


def _show_domain(name: str, row: Domain | None, config: Config, *, as_json: bool) -> None:
    rule = config.domain.get(name)
    deliver = rule.deliver if rule is not None else "local"
    where = "configuration" if rule is not None else "store"
    set_to = row or Domain(name)
    if as_json:
        told = {
            "name": name,
            "deliver": deliver,
            "from": where,
            "enabled": set_to.is_enabled,
            "catch_all": set_to.catch_all or None,
            "details": set_to.has_details,
            "most_mails": set_to.most_mails or None,
            "most_octets": set_to.most_octets or None,
            "most_accounts": set_to.most_accounts or None,
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    marks = [] if set_to.is_enabled else ["disabled"]
    marks += [f"catch-all {set_to.catch_all}"] if set_to.catch_all else []
    marks += [f"{set_to.most_octets} octets each"] if set_to.most_octets else []
    print(f"  {name:<30} {deliver:<8} by the {where:<14} {', '.join(marks)}".rstrip())


def add_alias(config_path: Path, address: str, targets: tuple[str, ...]) -> int:
    """Let an address lead to others. To one account it becomes another address of it, with which one can sign in."""

    def body(txn: StoreTxn, config: Config) -> str:
        wanted = checked_address(txn.kv, config, address)
        goals = tuple(dict.fromkeys(_checked_target(txn, config, target) for target in targets))
        only = accounts.find(StoreView(txn.kv), goals[0]) if len(goals) == 1 else None
        if only is not None and goals[0] in {only.address, *only.aliases}:
            accounts.add_alias(txn, only, wanted)
        else:
            directory.put_alias(txn, Alias(wanted, goals, txn.now_ms), lambda name: is_ours(txn.kv, config, name))
        note(txn, "alias.add", wanted, ", ".join(goals))
        return f"mail for {wanted} goes to {', '.join(goals)}"

    return change(config_path, body)


def _checked_target(txn: StoreTxn, config: Config, target: str) -> str:
    local, _, domain = target.strip().rpartition("@")
    domain = domain.lower()
    if not local or not domain or set(target.strip()) & set(" \t\r\n<>,;"):
        raise Refused(f"{target}: no address; write one as name@example.com")
    if is_ours(txn.kv, config, domain):
        if not _is_known(txn, f"{local}@{domain}") and not _catches_all(txn, domain):
            raise Refused(f"{target}: nobody has this address; add the user, alias or group first")
    elif domain not in config.domain and not config.outbound.relay:
        raise Refused(
            f"{target}: is elsewhere, and no host is named to hand it to; set outbound.relay in the configuration"
        )
    return f"{local}@{domain}".lower() if is_ours(txn.kv, config, domain) else f"{local}@{domain}"


def _catches_all(txn: StoreTxn, domain: str) -> bool:
    row = domains.get(txn.kv, domain)
    return row is not None and bool(row.catch_all)


def remove_alias(config_path: Path, address: str) -> int:
    def body(txn: StoreTxn, _: Config) -> str:
        wanted = address.lower()
        if directory.get_alias(txn.kv, wanted) is not None:
            directory.remove_alias(txn, wanted)
        else:
            account = account_of(txn.kv, wanted)
            if wanted not in account.aliases:
                raise Refused(f"{wanted}: is no alias; `mailward alias list` shows them")
            accounts.remove_alias(txn, account, wanted)
        note(txn, "alias.remove", wanted)
        return f"{wanted} leads nowhere any more"

    return change(config_path, body)


def list_aliases(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        def body(view: StoreView) -> list[tuple[str, tuple[str, ...]]]:
            own = [(alias, (each.address,)) for each in accounts.every(view) for alias in each.aliases]
            return sorted([*own, *((each.address, each.targets) for each in directory.every_alias(view))])

        for address, targets in await store.read(body):
            if as_json:
                print(json.dumps({"address": address, "targets": list(targets)}, ensure_ascii=False))
            else:
                print(f"  {address:<40} {', '.join(targets)}")
        return 0

    return with_store(config_path, work)


def put_group(config_path: Path, address: str, name: str, senders: str, members: tuple[str, ...]) -> int:
    def body(txn: StoreTxn, config: Config) -> str:
        wanted = checked_address(txn.kv, config, address)
        before = directory.get_group(txn.kv, wanted)
        if before is not None:
            raise Refused(f"{wanted}: there is such a group; `mailward group members` changes who is in it")
        chosen = tuple(dict.fromkeys(_checked_target(txn, config, member) for member in members))
        group = Group(wanted, name, chosen, senders, txn.now_ms)
        directory.put_group(txn, group, lambda domain: is_ours(txn.kv, config, domain))
        note(txn, "group.add", wanted, f"{senders} may write; {', '.join(chosen)}")
        return f"mail for {wanted} goes to {len(chosen)} members"

    return change(config_path, body)


def change_members(config_path: Path, address: str, add: tuple[str, ...], remove: tuple[str, ...]) -> int:
    """Add and remove members; without either, say who they are."""

    def body(txn: StoreTxn, config: Config) -> str:
        group = directory.get_group(txn.kv, address)
        if group is None:
            raise Refused(f"{address}: no such group; `mailward group list` shows them")
        gone = {each.lower() for each in remove}
        stay = [each for each in group.members if each.lower() not in gone]
        missing = gone - {each.lower() for each in group.members}
        if missing:
            raise Refused(f"{', '.join(sorted(missing))}: not in the group")
        members = tuple(dict.fromkeys((*stay, *(_checked_target(txn, config, each) for each in add))))
        if members != group.members:
            changed = replace(group, members=members)
            directory.put_group(txn, changed, lambda domain: is_ours(txn.kv, config, domain))
            note(txn, "group.members", group.address, f"added {', '.join(add)}; removed {', '.join(remove)}")
        return f"{group.address}: {', '.join(members) or 'nobody'}"

    return change(config_path, body)


def remove_group(config_path: Path, address: str) -> int:
    def body(txn: StoreTxn, _: Config) -> str:
        if directory.get_group(txn.kv, address) is None:
            raise Refused(f"{address}: no such group; `mailward group list` shows them")
        directory.remove_group(txn, address)
        note(txn, "group.remove", address.lower())
        return f"{address.lower()} is gone; its members keep what they got"

    return change(config_path, body)


def list_groups(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        for each in await store.read(lambda view: list(directory.every_group(view))):
            if as_json:
                row = {
                    "address": each.address,
                    "name": each.name,
                    "senders": each.senders,
                    "members": list(each.members),
                }
                print(json.dumps(row, ensure_ascii=False))
            else:
                print(f"  {each.address:<40} {each.senders:<8} {len(each.members)} members  {each.name}".rstrip())
        return 0

    return with_store(config_path, work)
