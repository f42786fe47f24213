"""``mailward trap``: spam traps beside the configuration, and what came to all of them."""

import json
import secrets
import sys
from pathlib import Path

from gateway.config import load
from gateway.main.administration import COMMAND_LINE, when, with_store
from gateway.main.failures import told_plainly
from gateway.main.people import Refused, WrongUsage, change, is_ours, note
from gateway.settings import Config
from gateway.traps.matching import Traps
from gateway.traps.seeds import PLACES, local_parts
from store.accounts import directory
from store.changes.engine import Store, StoreTxn, StoreView
from store.kv.contract import ReadTxn
from store.mail import domains
from store.policy import traps
from store.policy.traps import Hits, Trap

_NOT_IN_ADDRESSES = frozenset(' \t\r\n<>,;:"()\\')


def new_traps(config_path: Path, domain: str, count: int) -> int:
    """Make believable addresses at one of our domains, store them, and say where to plant each."""
    with told_plainly():
        config = load(config_path)

    async def work(store: Store) -> int:
        try:
            made = await store.write(lambda txn: _seed(txn, config, domain.lower(), count))
        except Refused as error:
            print(f"mailward: {error}", file=sys.stderr)
            return error.code
        for trap in made:
            print(f"  {trap.name:<40} {trap.place}")
        print(
            "  Never write to these addresses, and tell nobody: whoever does write to one has harvested or guessed it."
        )
        return 0

    return with_store(config_path, work)


def _seed(txn: StoreTxn, config: Config, domain: str, count: int) -> list[Trap]:
    domain = domain or next((name for name, rule in config.domain.items() if rule.deliver == "local"), "")
    domain = domain or next(iter(config.domain))
    if domain not in config.domain and not is_ours(txn.kv, config, domain):
        raise WrongUsage(f"{domain} is not a domain that mail is taken for; `mailward domain list` shows them")
    made: list[Trap] = []
    for local in local_parts(secrets.SystemRandom()):
        name = f"{local}@{domain}"
        if not _is_taken(txn.kv, config, name):
            made.append(_make(txn, name, PLACES[len(made) % len(PLACES)]))
        if len(made) == count:
            return made
    raise Refused(f"no more than {len(made)} names are left for {domain}; nothing was changed")


def add_traps(config_path: Path, names: tuple[str, ...]) -> int:
    """Make traps of addresses, or of whole domains written as "@old.example"."""

    def body(txn: StoreTxn, config: Config) -> str:
        for name in (each.strip().lower() for each in names):
            local, at, domain = name.rpartition("@")
            if not at or not domain or "*" in name or set(name) & _NOT_IN_ADDRESSES:
                raise WrongUsage(
                    f"{name}: write an address as leaver@example.com or a whole domain as @old.example; "
                    "patterns stand in the configuration, traps.addresses"
                )
            if local and _is_taken(txn.kv, config, name):
                raise Refused(f"{name}: somebody has this address, or it is a trap already; nothing was changed")
            if not local and (domain in config.domain or domains.get(txn.kv, domain) is not None):
                raise Refused(f"{name}: mail is taken for people of this domain; nothing was changed")
            _make(txn, name, "")
        return f"{len(names)} more traps"

    return change(config_path, body)


def _is_taken(kv: ReadTxn, config: Config, name: str) -> bool:
    local, _, domain = name.rpartition("@")
    rule = config.domain.get(domain)
    if rule is not None and rule.deliver != "local":
        known = isinstance(rule.recipients, tuple) and local in {each.lower() for each in rule.recipients}
    else:
        known = directory.has_name(kv, name)
    return known or bool(Traps(config.traps.addresses, config.traps.domains).named(kv, name))


def _make(txn: StoreTxn, name: str, place: str) -> Trap:
    trap = Trap(name, place, COMMAND_LINE, txn.now_ms)
    traps.put(txn, trap)
    note(txn, "trap.new", name)
    return trap


def remove_trap(config_path: Path, name: str) -> int:
    def body(txn: StoreTxn, config: Config) -> str:
        if not traps.remove(txn, name.strip().lower()):
            if name.strip().lower() in Traps(config.traps.addresses, config.traps.domains).every():
                raise Refused(f"{name}: this trap stands in the configuration; take it out there")
            raise Refused(f"{name}: no such trap; `mailward trap list` shows them")
        note(txn, "trap.remove", name.strip().lower())
        return f"{name} is no trap any more"

    return change(config_path, body)


def list_traps(config_path: Path, *, as_json: bool) -> int:
    """Every trap, of the configuration and the store, with what came to it."""
    with told_plainly():
        config = load(config_path)

    async def work(store: Store) -> int:
        for name, place, source, hits in await store.read(lambda view: _rows(view, config)):
            last = when(hits.last_ms) if hits.last_ms else None
            if as_json:
                row = {"trap": name, "from": source, "place": place, "hits": hits.count, "last": last}
                print(json.dumps(row, ensure_ascii=False))
            else:
                came = f"last {last}" if last else "none yet"
                print(f"  {name:<40} {hits.count:>6} mails  {came:<29}  {place}".rstrip())
        return 0

    return with_store(config_path, work)


def _rows(view: StoreView, config: Config) -> list[tuple[str, str, str, Hits]]:
    configured = Traps(config.traps.addresses, config.traps.domains).every()
    rows = [(name, "", "configuration", traps.hits(view, name)) for name in configured]
    stored = [trap for trap in traps.every(view) if trap.name not in configured]
    return rows + [(trap.name, trap.place, "store", traps.hits(view, trap.name)) for trap in stored]
