"""What each part of judging a mail costs: facts, checks, models, in microseconds of CPU, and the floor below them all.

python -m benchmarks.checks [--corpus DIR] [--mails 600] [--letters 400] [--rounds 3] [--language 60] [--json]

The mails are those that ``benchmarks.filters`` judges, and letters of today, each signed by its author's domain so that
authentication has something to do; a resolver answers from memory. Of several rounds a mail's cheapest counts: what the
machine does besides is not the check's. ``floor`` rows do no judging: they show what touching the octets costs at all.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.corpus import draw, fetch
from gateway.checks import PURE
from gateway.content.attachments import AttachmentLimits, attachments_of
from gateway.content.gather import gather
from gateway.content.qrcodes import codes_in
from gateway.content.urls import urls_of
from gateway.dns.resolver import Answer, Status, Txt, failed
from gateway.envelope import Envelope
from gateway.learning.scorer import ModelScorer
from gateway.mailauth.authenticate import authenticate
from gateway.mailauth.settings import AuthSettings
from gateway.mailauth.sign import Signer, signed
from gateway.main.offline import OfflineJudge, Told, envelope_of
from gateway.main.services import load_model
from gateway.main.storage import open_store
from gateway.pipeline.evidence import Evidence
from gateway.pipeline.facts import DataFacts, Protected
from gateway.pipeline.judge import WORDS
from gateway.pipeline.verdict import Policy, decide
from gateway.reputation.history import sender_history
from gateway.settings import Config, Model
from models.view import view_of
from store.changes.engine import Store
from store.message.headers import parse_date
from store.message.mime import parse_message
from training.modern.letter import compose, letters

T = TypeVar("T")

AUTHOR = re.compile(rb"^From:[^\n]*@([\w.-]+)", re.M | re.I)
WORD = re.compile(rb"[a-z0-9]{2,24}")
SELECTOR = "b"
TOLD = Told(ip="192.0.2.7", helo="mail.partner.example", recipients=("ana@example.com",))


@dataclass(slots=True)
class Costs:
    """Microseconds of CPU by group and name: the cheapest of a mail's rounds, for each mail."""

    us: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    now: dict[tuple[str, str], float] = field(default_factory=dict)

    def of(self, group: str, name: str, work: Callable[[], T]) -> T:
        start = time.thread_time_ns()
        found = work()
        self.keep(group, name, time.thread_time_ns() - start)
        return found

    def keep(self, group: str, name: str, ns: int) -> None:
        key = (group, name)
        self.now[key] = min(ns / 1000, self.now.get(key, float("inf")))

    def end_mail(self) -> None:
        for key, us in self.now.items():
            self.us.setdefault(key, []).append(us)
        self.now = {}


class FromMemory:
    """A resolver that knows one key, an open SPF record and a DMARC record for every name that is asked for."""

    def __init__(self, key: Signer) -> None:
        self._key = key.record.encode()

    async def query(self, name: str, rdtype: str) -> Answer:
        if rdtype != "TXT":
            return failed(name, rdtype, Status.NXDOMAIN)
        if "._domainkey." in name:
            text = self._key
        else:
            text = b"v=DMARC1; p=none" if name.startswith("_dmarc.") else b"v=spf1 ip4:192.0.2.0/24 -all"
        return Answer(name, rdtype, (Txt((text,)),), Status.OK)


def modern(count: int, key: rsa.RSAPrivateKey) -> list[bytes]:
    """Letters of today, always the same, each with a DKIM signature of its author's domain."""
    chosen = sorted(letters(), key=lambda letter: (letter.subject, letter.family))
    random.Random(4).shuffle(chosen)
    made: list[bytes] = []
    for number, letter in enumerate(chosen[:count]):
        octets = compose(letter, random.Random(number)).replace(b"\n", b"\r\n")
        author = AUTHOR.search(octets)
        at = parse_date(b"Tue, 10 Mar 2026 09:12:00 +0000")
        if author is not None and at is not None:
            domain = author[1].decode().lower()
            octets = signed(octets, domain, {domain: [Signer(domain, SELECTOR, key)]}, at)
        made.append(octets)
    return made


async def measure(mails: Sequence[bytes], resolver: FromMemory, rounds: int, language: int) -> Costs:
    """Every part for itself, as the gateway calls it; the language model for the first ``language`` mails."""
    costs, settings = Costs(), AuthSettings(authserv_id="mx.example.com")
    artefact = load_model(Config())
    if artefact.language is not None:
        artefact.language.open()
    store = await open_store(None)
    async with OfflineJudge(Config(model=Model(language=False))) as whole:
        await whole.judge("", mails[0])
        for number, octets in enumerate(mails):
            envelope = envelope_of(octets, TOLD)
            for _ in range(rounds):
                _touch(costs, octets)
                facts = await _facts(costs, octets, envelope, resolver, settings, store)
                _judge(costs, facts, ModelScorer(artefact, None), whole.policy, with_language=number < language)
                start = time.process_time_ns()  # it works in two threads
                await whole.judge("", octets, TOLD)
                costs.keep("whole", "chain without the language model", time.process_time_ns() - start)
            costs.end_mail()
    await store.close()
    return costs


def _touch(costs: Costs, octets: bytes) -> None:
    """What no filter that reads a mail can avoid, and the standard library's reader for comparison."""
    costs.of("floor", "digest, lower case, one pattern for words", lambda: _touched(octets))
    costs.of("floor", "email.message_from_bytes", lambda: message_from_bytes(octets))


def _touched(octets: bytes) -> tuple[bytes, list[bytes]]:
    return sha256(octets).digest(), WORD.findall(octets.lower())


async def _facts(
    costs: Costs, octets: bytes, envelope: Envelope, resolver: FromMemory, settings: AuthSettings, store: Store
) -> DataFacts:
    message = costs.of("fact", "parse", lambda: parse_message(octets))
    view = costs.of("fact", "view", lambda: view_of(message))
    content = costs.of("fact", "content", lambda: gather(message, view))
    costs.of("of content", "codes in pictures", lambda: codes_in(message))
    costs.of("of content", "attachments", lambda: attachments_of(message, AttachmentLimits()))
    costs.of("of content", "urls", lambda: urls_of(view.links, f"{view.subject}\n{view.text}", 300))
    start = time.thread_time_ns()
    auth = await authenticate(envelope, message, resolver, settings)
    costs.keep("fact", "authentication", time.thread_time_ns() - start)
    start = time.thread_time_ns()
    history = await sender_history(store, envelope, content, auth, view, message)
    costs.keep("fact", "reputation", time.thread_time_ns() - start)
    return DataFacts(envelope, message, auth, view, content, history, Protected(("example.com",), ("example.com",)))


def _judge(costs: Costs, facts: DataFacts, scorer: ModelScorer, policy: Policy, *, with_language: bool) -> None:
    evidence: list[Evidence] = []
    for check in PURE:
        evidence += costs.of("check", check.name, lambda c=check: c.run(facts))  # type: ignore[misc]
    words = costs.of("model", "words", lambda: scorer.words(facts.view))
    evidence.append(Evidence(WORDS, words.detail, words.log_odds))
    if with_language:
        costs.of("model", "language, when asked", lambda: scorer.language(facts.view, words))
    costs.of("verdict", "sum and reasons", lambda: decide(evidence, policy))


def rows(costs: Costs) -> list[dict[str, object]]:
    """The dearest first within each group."""
    found = [
        {
            "group": group,
            "name": name,
            "p50_us": round(statistics.median(us)),
            "p99_us": round(sorted(us)[min(len(us) - 1, len(us) * 99 // 100)]),
            "mean_us": round(statistics.fmean(us)),
            "mails": len(us),
        }
        for (group, name), us in costs.us.items()
    ]
    groups = list(dict.fromkeys(group for group, _ in costs.us))
    return sorted(found, key=lambda row: (groups.index(str(row["group"])), -float(str(row["mean_us"]))))


def as_table(by_corpus: dict[str, list[dict[str, object]]]) -> str:
    """A Markdown table with three columns for each set of mails."""
    heads = "".join(f" {name}: p50 | p99 | mean |" for name in by_corpus)
    lines = [f"| µs of CPU | |{heads}", "|---|---|" + "---|---|---|" * len(by_corpus)]
    first, *others = by_corpus.values()
    for row in first:
        same = [next(r for r in other if r["name"] == row["name"]) for other in others]
        figures = "".join(f" {r['p50_us']:,} | {r['p99_us']:,} | {r['mean_us']:,} |" for r in (row, *same))
        lines.append(f"| {row['group']} | {row['name']} |{figures}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, help="folder with easy-ham-1 and so on; fetched with npm without it")
    parser.add_argument("--mails", type=int, default=600, help="of the corpus")
    parser.add_argument("--letters", type=int, default=400, help="of today")
    parser.add_argument("--rounds", type=int, default=3, help="for each mail, of which the cheapest counts")
    parser.add_argument("--language", type=int, default=60, help="mails that the language model reads")
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    given = parser.parse_args()
    key = rsa.generate_private_key(65537, 2048)
    with tempfile.TemporaryDirectory() as made:
        old = draw(given.corpus or fetch(Path(made)), 0, given.mails).test
    resolver = FromMemory(Signer("any.example", SELECTOR, key))
    sets = {"corpus": old, "letters": modern(given.letters, key)}
    found = {
        name: rows(asyncio.run(measure(mails, resolver, given.rounds, given.language))) for name, mails in sets.items()
    }
    print(json.dumps({"benchmark": "checks", **found}) if given.json else as_table(found))


if __name__ == "__main__":
    main()
