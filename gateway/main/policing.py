"""What ``mailward config test``, ``rule``, ``allow`` and ``block`` do."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from pathlib import Path

from gateway.checks import ALL_SIGNALS
from gateway.cli.verdicts import plain
from gateway.config import ConfigError, load
from gateway.content.hosts import to_ascii
from gateway.main.administration import when, with_store
from gateway.main.failures import told_plainly
from gateway.main.offline import OfflineJudge, Told
from gateway.main.services import load_model, policy_of, utc_now
from gateway.pipeline.evidence import Evidence, Signal
from gateway.pipeline.verdict import Policy
from gateway.policy import trial
from gateway.policy.book import Book, hits_of
from gateway.policy.reading import book_of
from gateway.policy.rule import SAID, Rule
from gateway.policy.sight import Sight, sight_of
from gateway.policy.trial import Result
from gateway.settings import Config
from store.audit import chain
from store.changes.engine import Store, StoreTxn
from store.mailfiles import without_mbox_line
from store.policy import entries
from store.policy.entries import PolicyEntry, counter_name

DAY_MS = 86_400_000
SKIPS = {
    "allow": "the probability (it counts for the mail) and its thresholds, greylisting; "
    "never dangerous attachments, traps, block entries, DMARC's wish or checks that failed",
    "block": "nothing: mail is held for a person to see, whatever its probability",
}


def known_signals() -> dict[str, Signal]:
    return {signal.name: signal for signal in ALL_SIGNALS}


def test_config(path: Path, *, as_json: bool) -> int:
    """Check a configuration and run the tests beside its rules; 1 when one fails."""
    with told_plainly():
        config = load(path)
        policy = policy_of(config, load_model(config))
        book = book_of(config, known_signals())
        results = asyncio.run(run_tests(config, book, policy))
    failed = sum(not result.is_passed for result in results)
    if as_json:
        for result in results:
            print(json.dumps(asdict(result), ensure_ascii=False))
        return 1 if failed else 0
    for result in results:
        mark = "pass" if result.is_passed else "FAIL"
        print(
            f"  {mark}  {result.rule:<24} {result.number:>2}  {plain(result.what, 60):<60} {result.expected:<8}", end=""
        )
        print("" if result.is_passed else f" but {result.got}")
    print(f"  {path}: {'fine' if not failed else 'rules fail'}; {len(config.domain)} domains", end="")
    print(
        f", {len(book.rules)} rules, {len(results) - failed} of {len(results)} tests pass" if book.rules else "", end=""
    )
    print("" if config.domain else ", so no mail would be taken")
    return 1 if failed else 0


async def run_tests(config: Config, book: Book, policy: Policy) -> list[Result]:
    """Every test of every rule; mail files are judged as ``mailward scan`` does, without a network."""
    signals = known_signals()
    results: list[Result] = []
    judge: OfflineJudge | None = None
    try:
        for rule in book.rules:
            for number, test in enumerate(rule.tests, 1):
                if test.mail and judge is None:
                    judge = await OfflineJudge(config).__aenter__()
                sight, evidence = (
                    await _seen(judge, rule, number, book, signals)
                    if test.mail and judge is not None
                    else _told(rule, number, signals)
                )
                results.append(trial.attempt(book, rule, number, sight, evidence, policy))
    finally:
        if judge is not None:
            await judge.__aexit__()
    return results


def _told(rule: Rule, number: int, signals: dict[str, Signal]) -> tuple[Sight, list[Evidence]]:
    try:
        return trial.told(rule.tests[number - 1], signals)
    except ValueError as error:
        raise ConfigError(f'rule "{rule.name}", test {number}: {error}') from error


async def _seen(
    judge: OfflineJudge, rule: Rule, number: int, book: Book, signals: dict[str, Signal]
) -> tuple[Sight, list[Evidence]]:
    test = rule.tests[number - 1]
    _told(rule, number, signals)
    try:
        octets = without_mbox_line(await asyncio.to_thread(Path(test.mail).read_bytes))
    except OSError as error:
        raise ConfigError(f'rule "{rule.name}", test {number}: {test.mail}: {error.strerror}') from error
    recipients = (test.to,) if test.to else ()
    judged = await judge.judge(test.mail, octets, Told(test.ip, test.helo, recipients=recipients))
    if judged.facts is None or judged.judgement is None:
        raise ConfigError(f'rule "{rule.name}", test {number}: {test.mail}: could not be judged: {judged.error}')
    seen = sight_of(judged.facts, judged.judgement.evidence, book.asked)
    sight, extra = trial.overridden(seen, test, signals)
    return sight, [*judged.judgement.evidence, *extra]


def list_rules(config_path: Path, *, as_json: bool) -> int:
    """The rules in order, what they skip and how many mails each decided."""
    with told_plainly():
        rules = book_of(load(config_path), known_signals()).rules

    async def work(store: Store) -> int:
        counts = await store.read(lambda view: [entries.hits(view, hits_of(rule)) for rule in rules])
        for rule, count in zip(rules, counts, strict=True):
            if as_json:
                row = {"name": rule.name, "then": SAID[rule.action], "because": rule.because, "skips": rule.skips}
                print(json.dumps({**row, "shadow": rule.is_shadow, "hits": count}, ensure_ascii=False))
            else:
                how = "shadow" if rule.is_shadow else SAID[rule.action]
                print(f"  {rule.name:<24} {how:<8} {count:>8} mails  {plain(rule.because, 80)}")
                print(f"  {'':<24} skips {rule.skips}")
        return 0

    return with_store(config_path, work)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry as it is asked for on the command line."""

    kind: str
    subject: str
    scope: str = ""
    reason: str = ""
    by: str = ""
    days: int = 0  #: 0 is for ever
    networks: tuple[str, ...] = ()


def subject_of(text: str) -> str:
    """An address, or "@domain"; a bare domain is one. Raises ConfigError."""
    local, _, domain = text.strip().lower().rpartition("@")
    domain = to_ascii(domain)
    if not domain or "." not in domain or any(c.isspace() or not c.isprintable() for c in local + domain):
        raise ConfigError(f"{text!r}: write an address, or a domain")
    return f"{local}@{domain}"


def add_entry(config_path: Path, wanted: Wanted, *, as_json: bool) -> int:
    """Make or replace an entry, with its audit entry."""
    now_ms = int(utc_now().timestamp() * 1000)
    with told_plainly():
        try:
            networks = tuple(str(ip_network(text)) for text in wanted.networks)
        except ValueError as error:
            raise ConfigError(f"--network: {error}") from error
        entry = PolicyEntry(
            wanted.kind,
            subject_of(wanted.subject),
            wanted.by,
            wanted.reason,
            now_ms,
            now_ms + wanted.days * DAY_MS if wanted.days else 0,
            subject_of(wanted.scope) if wanted.scope else "",
            networks,
        )

    def body(txn: StoreTxn) -> None:
        entries.put(txn, entry)
        for_whom = f"for {entry.scope}: " if entry.scope else ""
        chain.record(txn, now_ms, entry.owner, f"policy.{entry.kind}", entry.subject, for_whom + entry.reason)

    async def work(store: Store) -> int:
        await store.write(body)
        _show(entry, 0, now_ms, as_json=as_json)
        return 0

    return with_store(config_path, work)


def remove_entry(config_path: Path, wanted: Wanted, *, as_json: bool) -> int:
    """Take an entry back; 1 when there is none."""
    now_ms = int(utc_now().timestamp() * 1000)
    with told_plainly():
        subject, scope = subject_of(wanted.subject), subject_of(wanted.scope) if wanted.scope else ""

    def body(txn: StoreTxn) -> PolicyEntry | None:
        entry = entries.get(txn, wanted.kind, subject, scope)
        if entry is not None:
            entries.remove(txn, wanted.kind, subject, scope)
            for_whom = f"for {scope}" if scope else ""
            chain.record(txn, now_ms, wanted.by, f"policy.un{wanted.kind}", subject, for_whom)
        return entry

    async def work(store: Store) -> int:
        entry = await store.write(body)
        if entry is None:
            for_whom = f" for {scope}" if scope else ""
            print(f"mailward: there is no {wanted.kind} entry for {subject}{for_whom}", file=sys.stderr)
            return 1
        if as_json:
            print(json.dumps({"removed": subject, "kind": wanted.kind, "scope": scope}))
        else:
            print(f"  removed: {wanted.kind} {subject} {scope and f'for {scope}'}".rstrip())
        return 0

    return with_store(config_path, work)


def list_entries(config_path: Path, kind: str, *, as_json: bool) -> int:
    """Entries of a kind with how many mails each concerned."""
    now_ms = int(utc_now().timestamp() * 1000)

    async def work(store: Store) -> int:
        found = [entry for entry in await store.read(entries.everything) if entry.kind == kind]
        for entry in found:
            name = counter_name(entry.kind, entry.subject, entry.scope)
            count = await store.read(lambda view, name=name: entries.hits(view, name))  # type: ignore[misc]
            _show(entry, count, now_ms, as_json=as_json)
        return 0

    return with_store(config_path, work)


def _show(entry: PolicyEntry, count: int, now_ms: int, *, as_json: bool) -> None:
    needs = "nothing"
    if entry.kind == "allow":
        needs = " or ".join(["the sender's proof (DMARC, or aligned SPF or DKIM)", *entry.networks])
    is_over = bool(entry.expires_ms) and entry.expires_ms <= now_ms
    if as_json:
        row = {"kind": entry.kind, "subject": entry.subject, "scope": entry.scope, "owner": entry.owner}
        row |= {"reason": entry.reason, "created": when(entry.created_ms), "needs": needs, "skips": SKIPS[entry.kind]}
        expires = when(entry.expires_ms) if entry.expires_ms else None
        print(json.dumps({**row, "expires": expires, "expired": is_over, "hits": count}, ensure_ascii=False))
        return
    until = f"until {when(entry.expires_ms)[:10]}" if entry.expires_ms else "for ever"
    print(
        f"  {entry.kind} {entry.subject}  for {entry.scope or 'everybody'}  {'expired' if is_over else until}", end=""
    )
    print(f"  {count} mails  by {entry.owner}: {plain(entry.reason, 80)}")
    print(f"    needs {needs}; skips {SKIPS[entry.kind]}")
