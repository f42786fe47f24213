"""``mailward hold`` and ``mailward retention``: what they do."""

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from tqdm import tqdm

from gateway.cli.verdicts import plain
from gateway.config import ConfigError, load
from gateway.main.administration import when, with_store
from gateway.main.failures import told_plainly
from gateway.retention import acts
from gateway.retention.discovery import ExportFailed, matter
from gateway.retention.discovery import export as export_mail
from gateway.settings import Config
from store.accounts import account as accounts
from store.audit import chain
from store.changes.engine import Store
from store.retention import rows
from store.retention.policy import bare
from store.retention.rows import Hold, RetentionError, Rule
from store.upkeep import retention
from store.upkeep.retention import Ages, Report


def ages_of(config: Config) -> Ages:
    return Ages(config.retention.trace_days, config.retention.audit_days)


def _answered(config_path: Path, work: Callable[[Store], Awaitable[int]]) -> int:
    """Run a command; what cannot be done as asked is said in a sentence."""

    async def run(store: Store) -> int:
        try:
            return await work(store)
        except (RetentionError, ExportFailed) as error:
            print(f"mailward: {error}", file=sys.stderr)
            return 1

    return with_store(config_path, run)


def place_hold(config_path: Path, hold: Hold) -> int:
    async def work(store: Store) -> int:
        await store.write(lambda txn: acts.place(txn, hold))
        print(f"  {hold.case}: from now on nothing of it goes; `mailward hold mail {hold.case}` lists it")
        for address in hold.accounts:
            if await store.read(lambda view, who=address: accounts.find(view, who)) is None:  # type: ignore[misc]
                print(f"  note: {address} has no account here (yet)")
        return 0

    return _answered(config_path, work)


def list_holds(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        for hold in await store.read(lambda view: rows.holds(view.kv)):
            print(json.dumps(_hold_line(hold), ensure_ascii=False) if as_json else f"  {_told(hold)}")
        return 0

    return with_store(config_path, work)


def show_hold(config_path: Path, case: str, *, as_json: bool) -> int:
    """A hold, and how much it is about: in mailboxes, kept back, in quarantine."""

    async def work(store: Store) -> int:
        hold = await store.read(lambda view: rows.find_hold(view.kv, case))
        counts: dict[str, int] = {}
        with tqdm(unit=" mails", disable=None) as bar:
            async for found in matter(store, hold):
                counts[found.state] = counts.get(found.state, 0) + 1
                bar.update(1)
        if as_json:
            print(json.dumps(_hold_line(hold) | {"mails": counts}, ensure_ascii=False))
        else:
            print(f"  {_told(hold)}\n  placed {when(hold.placed_ms)} by {hold.by}")
            print(f"  {', '.join(f'{n} {state}' for state, n in counts.items()) or 'no mail yet'}")
        return 0

    return _answered(config_path, work)


def list_mail(config_path: Path, case: str, *, match: str, state: str, as_json: bool) -> int:
    async def work(store: Store) -> int:
        hold = await store.read(lambda view: rows.find_hold(view.kv, case))
        async for found in matter(store, hold):
            if not found.matches(match) or (state and found.state != state):
                continue
            if as_json:
                row = {name: getattr(found, name) for name in found.__slots__ if name not in {"blob", "received_ms"}}
                row |= {"received": when(found.received_ms), "sha256": found.blob.hex()}
                print(json.dumps(row, ensure_ascii=False))
            else:
                print(f"  {when(found.received_ms)}  {found.state:<10}  {plain(found.account, 30)}  "
                      f"{plain(found.sender, 30)}  {plain(found.subject, 50)}")  # fmt: skip
        return 0

    return _answered(config_path, work)


def release_hold(config_path: Path, case: str, by: str) -> int:
    async def work(store: Store) -> int:
        await store.write(lambda txn: acts.release(txn, case, by, txn.now_ms))
        print(f"  {case} is released; what only it kept goes with the next retention run")
        return 0

    return _answered(config_path, work)


def export_hold(config_path: Path, case: str, target: Path, by: str) -> int:
    """1 when some mail could not be read; the manifest names it."""

    async def work(store: Store) -> int:
        hold = await store.read(lambda view: rows.find_hold(view.kv, case))
        with tqdm(unit=" mails", disable=None) as bar:
            done = await export_mail(store, hold, target, lambda: bar.update(1))
        detail = f"{done.mails} mails, manifest {done.manifest_sha256}"
        await store.write(lambda txn: chain.record(txn, txn.now_ms, by, "hold.export", case, detail))
        print(f"  {done.mails} mails in {done.files} files, {done.octets} octets; "
              f"SHA-256 of the manifest: {done.manifest_sha256}")  # fmt: skip
        if done.missing:
            print(f"mailward: {done.missing} mails cannot be read; the manifest says which", file=sys.stderr)
        return 1 if done.missing else 0

    return _answered(config_path, work)


def add_rule(config_path: Path, rule: Rule) -> int:
    async def work(store: Store) -> int:
        await store.write(lambda txn: acts.add_rule(txn, rule))
        print(f"  {rule.name}: {acts.effect_of(rule)}; `mailward retention preview` says what goes with the next run")
        return 0

    return _answered(config_path, work)


def remove_rule(config_path: Path, name: str, by: str) -> int:
    async def work(store: Store) -> int:
        await store.write(lambda txn: acts.remove_rule(txn, name, by, txn.now_ms))
        print(f"  {name} is removed")
        return 0

    return _answered(config_path, work)


def list_rules(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        for rule in await store.read(lambda view: rows.rules(view.kv)):
            if as_json:
                print(json.dumps(msgspec.structs.asdict(rule), ensure_ascii=False))
            else:
                whose = f"  {rule.account}" if rule.account else ""
                print(f"  {rule.name}: {acts.effect_of(rule)}{whose}")
        return 0

    return with_store(config_path, work)


def run_rules(config_path: Path, *, is_preview: bool, as_json: bool) -> int:
    with told_plainly():
        ages = ages_of(load(config_path))

    async def work(store: Store) -> int:
        with tqdm(unit=" accounts", disable=None) as bar:
            report = await retention.run(store, ages, is_preview=is_preview, on_account=lambda _: bar.update(1))
        if as_json:
            print(json.dumps(report_line(report)))
        else:
            _show_report(report, is_preview=is_preview)
        return 0

    return _answered(config_path, work)


def report_line(report: Report) -> dict[str, object]:
    rules = {
        name: {
            "mails": count.mails, "octets": count.octets, "refused": count.refused,
            "oldest": when(count.oldest_ms) if count.oldest_ms is not None else None,
            "newest": when(count.newest_ms) if count.newest_ms is not None else None,
        }
        for name, count in report.by_rule.items()
    }  # fmt: skip
    return {"rules": rules, **report.totals()}


def _show_report(report: Report, *, is_preview: bool) -> None:
    verb = "would delete" if is_preview else "deleted"
    for name, count in sorted(report.by_rule.items()):
        span = ""
        if count.oldest_ms is not None and count.newest_ms is not None:
            span = f", received {acts.day(count.oldest_ms)} to {acts.day(count.newest_ms)}"
        kept = f"; {count.refused} more are kept by a hold or another rule" if count.refused else ""
        print(f"  {name}: {verb} {count.mails} mails, {count.octets} octets{span}{kept}")
    if not report.by_rule:
        print("  no rule deletes mail")
    if not is_preview:
        print(f"  let go of {report.let_go} kept-back mails, {report.traces} traces, "
              f"{report.held} settled quarantine rows, {report.audit} audit entries")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold is about, as it was typed."""

    accounts: tuple[str, ...]
    domains: tuple[str, ...]
    people: tuple[str, ...]
    since: datetime | None
    until: datetime | None  #: the last day, as a whole

    def hold(self, case: str, reason: str, by: str, now_ms: int) -> Hold:
        """Raises ConfigError for what is no address."""
        for address in (*self.accounts, *self.people):
            if not all(address.rpartition("@")):
                raise ConfigError(f"{address!r} is no address; write one as ana@example.com")
        return Hold(
            case=case,
            accounts=tuple(sorted({bare(each) for each in self.accounts})),
            domains=tuple(sorted({each.lower().lstrip("@") for each in self.domains})),
            people=tuple(sorted({bare(each) for each in self.people})),
            after_ms=_ms(self.since) if self.since else 0,
            before_ms=_ms(self.until + timedelta(days=1)) if self.until else 0,
            reason=reason,
            by=by,
            placed_ms=now_ms,
        )


def _ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _hold_line(hold: Hold) -> dict[str, object]:
    row = msgspec.structs.asdict(hold)
    row |= {"placed": when(row.pop("placed_ms"))}
    after_ms, before_ms = row.pop("after_ms"), row.pop("before_ms")
    return row | {"from": when(after_ms) if after_ms else None, "before": when(before_ms) if before_ms else None}


def _told(hold: Hold) -> str:
    whom = ", ".join((*hold.accounts, *(f"mail from or to {each}" for each in hold.people)))
    return f"{hold.case}: {'; '.join(each for each in (whom, acts.scope_of(hold)) if each)}"
