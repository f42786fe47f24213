"""Several sessions on one store, against a plain model: random operations, at once and alone, crashes between them.

After every step the store is what the model says, or what it says in some order of what ran at once; sessions that
follow the change log know what there is; search finds what the model finds; and ``fsck`` is silent. The short form
runs in CI; MAILWARD_NIGHTLY=1 runs hundreds of times as much.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import AccountId, Kind, Store, StoreView
from store.changes.log import changes_since
from store.kv.contract import KeyValueStore, StoreError
from store.kv.foundationdb import FoundationKeyValueStore
from store.kv.memory import MemoryKeyValueStore
from store.kv.postgres import PostgresKeyValueStore
from store.kv.rocksdb import RocksKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from store.mail.filters import Phrase, Place, Words
from store.mail.model import EmailId, MailboxId
from store.mail.parsing import digest_octets
from store.search.finding import Question, find
from store.search.indexing import Indexer
from tests.faults.mail_model import (
    Append,
    Attempt,
    Copy,
    Deliver,
    DestroyBox,
    Flag,
    Hold,
    Letter,
    Limit,
    MakeBox,
    Model,
    Move,
    Operation,
    Outcome,
    RenameBox,
    Settle,
    fits,
    orders,
    seen,
)
from tests.support import foundationdb, mail_store
from tests.support.faulty_kv import FaultyKeyValueStore
from tests.support.mail_store import assert_sound, new_account

NIGHTLY = bool(os.environ.get("MAILWARD_NIGHTLY"))
ACCOUNTS = 2
SESSIONS = 3

SUBJECTS = ("Lunch on Tuesday", "Re: Lunch on Tuesday", "Budget", "Budget 2027", "Travel plans", "Large notes")
WORDS = ("lunch", "budget", "travel", "tuesday", "nothing")


def _letter(number: int, subject: str) -> Letter:
    body = "Line by line.\n" * 8_000 if subject.startswith("Large") else f"Text {number}."
    references = (f"{number - 1}@a.example",) if subject.startswith("Re:") else ()
    octets = mail_store.Letter(subject, f"{number}@a.example", references, body=body).octets()
    return Letter(octets, digest_octets(octets))


LETTERS = [_letter(number, subject) for number, subject in enumerate(SUBJECTS)]

PLAN = st.tuples(
    st.sampled_from(
        ("deliver", "deliver", "append", "flag", "flag", "move", "move", "copy", "expunge", "make", "rename",
         "destroy", "limit", "hold", "release", "delete")
    ),
    st.integers(0, 999),
    st.integers(0, 999),
    st.integers(0, 999),
)  # fmt: skip
Plan = tuple[str, int, int, int]


class Ground:
    """Where a store is kept, how it is opened, and what a crash leaves of it."""

    def __init__(self, request: pytest.FixtureRequest | None) -> None:
        self._request = request

    async def start(self) -> KeyValueStore:
        raise NotImplementedError

    async def after_crash(self, kv: KeyValueStore) -> KeyValueStore:
        """The store as the next process finds it. What was in memory only is gone."""
        raise NotImplementedError

    def end(self) -> None:
        """Take everything away."""


class InMemory(Ground):
    async def start(self) -> KeyValueStore:
        return MemoryKeyValueStore()

    async def after_crash(self, kv: KeyValueStore) -> KeyValueStore:
        return kv


class InFolder(Ground):
    """A crash is the folder as it lies there, copied while the first process still has it open."""

    opening: ClassVar[Any]

    def __init__(self, request: pytest.FixtureRequest | None) -> None:
        super().__init__(request)
        self._folder = Path(tempfile.mkdtemp())
        self._crashes = 0

    async def start(self) -> KeyValueStore:
        (self._folder / "0").mkdir()
        kv: KeyValueStore = await type(self).opening(self._folder / "0" / "mail")
        return kv

    async def after_crash(self, kv: KeyValueStore) -> KeyValueStore:
        before, after = self._folder / str(self._crashes), self._folder / str(self._crashes + 1)
        self._crashes += 1
        shutil.copytree(before, after)
        await kv.close()
        shutil.rmtree(before)
        found: KeyValueStore = await type(self).opening(after / "mail")
        return found

    def end(self) -> None:
        shutil.rmtree(self._folder)


class OnSqlite(InFolder):
    opening = SqliteKeyValueStore.open


class OnRocks(InFolder):
    """Closed and opened: its folder cannot be copied while compactions run. ``kill -9`` is in tests/store/kv."""

    opening = RocksKeyValueStore.open

    async def after_crash(self, kv: KeyValueStore) -> KeyValueStore:
        await kv.close()
        return await RocksKeyValueStore.open(self._folder / "0" / "mail")


class OnPostgres(Ground):
    """A crash is every connection cut by the server; the store makes new ones by itself."""

    async def start(self) -> KeyValueStore:
        assert self._request is not None
        self._server = self._request.getfixturevalue("postgres_server")
        return await PostgresKeyValueStore.open(self._server.new_database())

    async def after_crash(self, kv: KeyValueStore) -> KeyValueStore:
        with psycopg.connect(self._server.url(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mailward'"
            )
        # A transaction that reads finds the connection dead and is repeated on a new one. One that only writes would
        # find out at its COMMIT, whose outcome nobody could know then: its caller is told, which is not the point here.
        await kv.write(lambda txn: txn.get(b"anything"))
        return kv


class OnFoundation(Ground):
    """The double of FoundationDB: another opening sees what was committed."""

    def __init__(self, request: pytest.FixtureRequest | None) -> None:
        super().__init__(request)
        self._stack = ExitStack()
        self._place = self._stack.enter_context(foundationdb.ground(foundationdb.GROUNDS[0]))

    async def start(self) -> KeyValueStore:
        return await FoundationKeyValueStore.open(self._place.url, binding=self._place.binding)

    async def after_crash(self, kv: KeyValueStore) -> KeyValueStore:
        await kv.close()
        return await self.start()

    def end(self) -> None:
        self._stack.close()


GROUNDS: dict[str, type[Ground]] = {
    "memory": InMemory,
    "sqlite": OnSqlite,
    "rocksdb": OnRocks,
    "postgres": OnPostgres,
    "foundationdb": OnFoundation,
}


class Session:
    """A client that knows one account as of a state, and catches up by the change log."""

    def __init__(self, account: AccountId) -> None:
        self.account = account
        self.state = 0
        self.known: dict[Kind, set[int]] = {Kind.EMAIL: set(), Kind.MAILBOX: set()}

    def catch_up(self, view: StoreView, page: int) -> None:
        mine = view.account(self.account)
        for kind, known in self.known.items():
            at, after, has_more = self.state, None, True
            while has_more:
                found = changes_since(mine, kind, at, page, after_object=after)
                assert known.isdisjoint(found.created)
                known |= set(found.created)
                known -= set(found.destroyed)
                at, after, has_more = found.new_state, found.new_object, found.has_more
        self.state = mine.modseq


def _store(kv: KeyValueStore) -> Store:
    return Store(kv, Blobs(kv), Announcer())


class SeveralSessions(RuleBasedStateMachine):
    ground: ClassVar[type[Ground]] = InMemory
    request: ClassVar[pytest.FixtureRequest | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = type(self).ground(type(self).request)
        self.kv = self.runner.run(self.place.start())
        self.store = _store(self.kv)
        self.made = 0

    @initialize()
    def open(self) -> None:
        made = [self.runner.run(new_account(self.store, f"user{n}@b.example")) for n in range(ACCOUNTS)]
        self.accounts = [account.id for account in made]
        self.model = self.look()
        self.mails: list[tuple[AccountId, EmailId]] = []  # all there ever were: some operations come too late
        self.boxes = [key for key, name in self.model.boxes.items() if name != "INBOX"]
        self.held: list[tuple[str, Letter]] = []
        self.sessions = [Session(self.accounts[n % ACCOUNTS]) for n in range(SESSIONS)]
        self.watched: dict[AccountId, int] = {}

    def teardown(self) -> None:
        self.runner.run(assert_sound(self.store))
        self.runner.run(self.store.close())
        self.runner.close()
        self.place.end()

    def look(self) -> Model:
        return self.runner.run(self.store.read(seen))

    @rule(plan=PLAN)
    def alone(self, plan: Plan) -> None:
        self.note(self.at_once([self.operation(plan)]))

    @rule(plans=st.lists(PLAN, min_size=2, max_size=3))
    def together(self, plans: list[Plan]) -> None:
        self.note(self.at_once([self.operation(plan) for plan in plans]))

    @rule(plan=PLAN, at=st.integers(0, 4), after_commit=st.booleans())
    def interrupted(self, plan: Plan, at: int, after_commit: bool) -> None:
        """The process dies at one of the operation's writes, before or after it reached the disk."""
        operation = self.operation(plan)
        faulty = FaultyKeyValueStore(self.kv, at, after_commit=after_commit, stays=True)
        attempt = Attempt(operation)
        try:
            outcome = self.runner.run(attempt.run(_store(faulty)))
        except StoreError:
            outcome = Outcome(attempt.would_be)
        has_answer = not faulty.has_failed
        self.reopen()
        found = self.look()
        if found == self.model and not has_answer:
            return
        assert fits(self.model, operation, outcome)
        assert found == self.model
        self.note([(operation, outcome)])

    @rule()
    def crash(self) -> None:
        self.reopen()
        assert self.look() == self.model
        self.runner.run(assert_sound(self.store))

    @rule(which=st.integers(0, SESSIONS - 1), page=st.sampled_from((1, 3, 1_000)))
    def catch_up(self, which: int, page: int) -> None:
        """What the log tells is what there is."""
        session = self.sessions[which]
        self.runner.run(self.store.read(lambda view: session.catch_up(view, page)))
        assert session.known[Kind.EMAIL] == {mail for owner, mail in self.model.mails if owner == session.account}
        assert session.known[Kind.MAILBOX] == {box for owner, box in self.model.boxes if owner == session.account}

    @rule(which=st.integers(0, ACCOUNTS - 1))
    def index(self, which: int) -> None:
        self.runner.run(Indexer(self.store).catch_up(self.accounts[which]))

    @rule(which=st.integers(0, ACCOUNTS - 1), word=st.sampled_from(WORDS))
    def search(self, which: int, word: str) -> None:
        """Indexed or not, the answer is the same."""
        account = self.accounts[which]
        found = self.runner.run(find(self.store, account, Question(Words(Place.SUBJECT, (Phrase(word),)))))
        wanted = {
            mail
            for (owner, mail), each in self.model.mails.items()
            if owner == account and word in each.subject.lower().split()
        }
        assert set(found.ids) == wanted and len(found.ids) == len(wanted)

    @invariant()
    def states_only_grow(self) -> None:
        for account in getattr(self, "accounts", ()):
            now = self.runner.run(self.store.read(lambda view, account=account: view.account(account).modseq))  # type: ignore[misc]
            assert now >= self.watched.get(account, 0)
            self.watched[account] = now

    def reopen(self) -> None:
        self.kv = self.runner.run(self.place.after_crash(self.kv))
        self.store = _store(self.kv)

    def at_once(self, operations: list[Operation]) -> list[tuple[Operation, Outcome]]:
        """Run them as concurrent coroutines; the model becomes what it is in an order that explains what came out."""

        async def gathered() -> list[Outcome]:
            return await asyncio.gather(*(Attempt(operation).run(self.store) for operation in operations))

        done = list(zip(operations, self.runner.run(gathered()), strict=True))
        found = self.look()
        possible = orders(self.model, done)
        assert found in possible, f"{found} is none of {possible} after {done}"
        self.model = found
        return done

    def note(self, done: list[tuple[Operation, Outcome]]) -> None:
        """Remember what was made, so that later operations can be about it."""
        for operation, outcome in done:
            if outcome.refusal is not None:
                continue
            match operation:
                case Deliver() | Settle():
                    self.mails += outcome.value.items()
                case Append(account=account) | Copy(account=account):
                    self.mails.append((account, outcome.value))
                case MakeBox(account=account):
                    self.boxes.append((account, outcome.value))
                case Hold(letter=letter, reception=reception):
                    self.held.append((reception, letter))
                case _:
                    pass

    def operation(self, plan: Plan) -> Operation:
        kind, a, b, c = plan
        account, letter = self.accounts[a % ACCOUNTS], LETTERS[b % len(LETTERS)]
        some = tuple(self.accounts[: 1 + a % ACCOUNTS])
        self.made += 1
        match kind:
            case "deliver":
                return Deliver(letter, some)
            case "make":
                return MakeBox(account, f"Folder {b % 4}")
            case "limit":
                return Limit(account, (0, 3, 8)[b % 3])
            case "hold":
                return Hold(letter, f"h{self.made}", some)
            case "release" | "delete" if self.held:
                reception, letter = self.held[b % len(self.held)]
                return Settle(letter, reception, some, kind == "release")
            case _:
                return self._on_boxes(kind, account, letter, b, c)

    def _on_boxes(self, kind: str, account: AccountId, letter: Letter, b: int, c: int) -> Operation:
        own = [MailboxId(box) for owner, box in self.boxes if owner == account]
        box = own[c % len(own)]
        mails = [mail for owner, mail in self.mails if owner == account]
        keywords = frozenset(name for bit, name in ((1, "$seen"), (2, "$flagged")) if c & bit)
        if kind == "rename":
            return RenameBox(account, box, f"Folder {b % 4}")
        if kind == "destroy":
            return DestroyBox(account, own[b % len(own)])
        if kind == "append" or not mails:
            return Append(letter, account, box, keywords)
        mail = mails[b % len(mails)]
        match kind:
            case "flag":
                return Flag(account, tuple(mails[-1 - b % 3 :]), keywords)
            case "copy":
                return Copy(account, mail, box)
            case "expunge":
                return Move(account, mail, frozenset())
            case _:
                inbox = self.model.inbox(account)
                return Move(account, mail, frozenset({box, inbox} if b % 2 else {box}))


@pytest.fixture(params=GROUNDS)
def machine(request: pytest.FixtureRequest) -> Iterator[type[SeveralSessions]]:
    yield type("Machine", (SeveralSessions,), {"ground": GROUNDS[request.param], "request": request})


@pytest.mark.timeout(7_200 if NIGHTLY else 120)
def test_several_sessions_and_the_model_agree(machine: type[SeveralSessions]) -> None:
    examples = {InMemory: 30, OnFoundation: 15, OnPostgres: 2, OnRocks: 4}.get(machine.ground, 10)
    chosen = settings(
        max_examples=examples * (100 if NIGHTLY else 1),
        stateful_step_count=60 if NIGHTLY else 25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(machine, settings=chosen)
