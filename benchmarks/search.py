"""What finding mail costs: indexing, searching and opening mailboxes of generated small mails; JSON lines.

    python -m benchmarks.search [--mails 1000 10000 100000] [--rounds 40] [--keep FOLDER]
    python -m benchmarks.search --store sqlite:PATH [--anew]

Each mailbox is filled (``benchmarks.mailboxes``), indexed as the job does it, and asked: one word, two words, a
phrase, the beginning and the inside of words, a word with everything sorted by subject; each with how many there are
in all, 50 shown. ``opening`` is what a client does first: the newest 50 of the mailbox, with their rows. Words are
drawn as often as mails say them, from rank 20 on. ``--store`` asks a store that is filled already, for mailboxes that
take long to make.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from benchmarks.mailboxes import VOCABULARY, open_filled, vocabulary
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, AccountView, Store
from store.kv.opening import open_kv
from store.mail import emails
from store.mail.filters import And, Filter, InMailbox, Phrase, Place, Words
from store.mail.model import MailboxId
from store.search import state as states
from store.search.finding import Question, find
from store.search.indexing import Indexer
from store.search.ordering import NEWEST, SortBy, SortKey

ACCOUNT, INBOX = AccountId(1), MailboxId(1)
PAGE = 50
FIRST_RANK = 20


class Words50:
    """Words as people look for them: common ones often, the very commonest never."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        self._words = vocabulary()
        weights = 1 / np.arange(2 + FIRST_RANK, VOCABULARY + 2, dtype=np.float64)
        self._cumulated = np.cumsum(weights / weights.sum())

    def one(self) -> str:
        return self._words[FIRST_RANK + int(np.searchsorted(self._cumulated, self._chance.random()))]

    def words(self, *texts: str) -> Filter:
        found = tuple(Phrase(text, is_exact=False) for text in texts)
        return And((InMailbox(INBOX), Words(Place.TEXT, found)))


def questions(words: Words50) -> dict[str, Callable[[], Question]]:
    def asked(wanted: Filter, *sort: SortKey, total: bool = True) -> Question:
        return Question(wanted, sort or NEWEST, PAGE, wants_total=total)

    def phrase() -> Filter:
        text = f"{words.one()} {words.one()}"
        return And((InMailbox(INBOX), Words(Place.BODY, (Phrase(text),))))

    def inside() -> Filter:
        word = words.one()
        return words.words(word[1:5] if len(word) > 5 else word)

    return {
        "one_word": lambda: asked(words.words(words.one())),
        "one_word_first_page": lambda: asked(words.words(words.one()), total=False),
        "two_words": lambda: asked(words.words(words.one(), words.one())),
        "phrase": lambda: asked(phrase()),
        "inside_of_words": lambda: asked(inside()),
        "from": lambda: asked(And((InMailbox(INBOX), Words(Place.FROM, (Phrase(words.one()),))))),
        "by_subject": lambda: asked(words.words(words.one()), SortKey(SortBy.SUBJECT)),
        "by_size": lambda: asked(words.words(words.one()), SortKey(SortBy.SIZE, is_ascending=False)),
    }


async def timed(rounds: int, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Milliseconds by the clock, and of this process's CPU, which neighbours hardly change."""
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        started, cpu = time.perf_counter(), time.process_time()
        await work()
        taken.append(((time.perf_counter() - started) * 1000, (time.process_time() - cpu) * 1000))
    (p50, cpu_p50), (p99, cpu_p99) = np.percentile(np.array(taken), (50, 99), axis=0).tolist()
    named = {"p50_ms": p50, "p99_ms": p99, "cpu_p50_ms": cpu_p50, "cpu_p99_ms": cpu_p99}
    return {name: round(value, 1) for name, value in named.items()}


async def ask(store: Store, rounds: int, seed: int) -> dict[str, object]:
    results: dict[str, object] = {}
    for name, question in questions(Words50(seed)).items():
        results[name] = await timed(rounds, lambda make=question: find(store, ACCOUNT, make()))  # type: ignore[misc]

    async def opened() -> None:
        page = await find(store, ACCOUNT, Question(InMailbox(INBOX), NEWEST, PAGE, wants_total=True))

        def rows(view: AccountView) -> list[object]:
            return [(emails.get(view, one), emails.state(view, one)) for one in page.ids]

        await store.read(lambda view: rows(view.account(ACCOUNT)))

    results["opening"] = await timed(rounds, opened)
    return results


async def indexed(store: Store) -> dict[str, object]:
    """Bring the index up to date and say what it took."""
    started, cpu, mails = time.monotonic(), time.process_time(), 0

    def told(count: int) -> None:
        nonlocal mails
        mails += count

    await Indexer(store).catch_up(ACCOUNT, told)
    seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
    state = await store.read(lambda view: states.get(view.account(ACCOUNT)))
    octets = sum(one.octets for one in state.serving.segments)
    count = sum(one.mails for one in state.serving.segments)
    return {
        "mails": count,
        "indexed_a_second": round(mails / seconds),
        "indexed_a_cpu_second": round(mails / max(cpu_s, 0.001)),
        "index_octets_a_mail": round(octets / max(count, 1)),
        "segments": [one.mails for one in state.serving.segments],
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def measure(url: str, mails: int, rounds: int, seed: int) -> None:
    store = await open_filled(url, mails)
    results = await indexed(store) | await ask(store, rounds, seed)
    await store.close()
    print(json.dumps(results), flush=True)


async def measure_filled(url: str, rounds: int, seed: int, *, anew: bool) -> None:
    kv = await open_kv(url)
    store = Store(kv, Blobs(kv), Announcer())
    if anew:
        await Indexer(store).start_over(ACCOUNT)
    results = await indexed(store) | await ask(store, rounds, seed)
    await store.close()
    print(json.dumps(results), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure searching.")
    parser.add_argument("--mails", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the stores, which then stay")
    parser.add_argument("--store", help="URL of a store that benchmarks.mailboxes has filled")
    parser.add_argument("--anew", action="store_true", help="with --store: make its index anew, and measure that")
    given = parser.parse_args()
    if given.store:
        asyncio.run(measure_filled(given.store, given.rounds, given.seed, anew=given.anew))
        return
    with tempfile.TemporaryDirectory() as folder:
        for mails in given.mails:
            path = (given.keep or Path(folder)) / f"search-{mails}.sqlite"
            asyncio.run(measure(f"sqlite:{path}", mails, given.rounds, given.seed))


if __name__ == "__main__":
    main()
