"""Random histories against a plain model: counts, uids, soundness, and changes from every state that ever was."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from store.changes.engine import AccountTxn, AccountView, Kind
from store.changes.log import changes_since
from store.kv.contract import KeyValueStore
from store.kv.foundationdb import FoundationKeyValueStore
from store.kv.postgres import PostgresKeyValueStore
from store.kv.rocksdb import RocksKeyValueStore
from store.kv.sqlite import SqliteKeyValueStore
from store.mail import emails, mailboxes, reading
from store.mail.emails import NewEmail
from store.mail.mailboxes import MailboxError
from store.mail.model import SEEN, EmailId, MailboxId
from store.mail.parsing import digest_octets
from tests.support import foundationdb
from tests.support.fdb_double import Double
from tests.support.mail_store import START_MS, Letter, assert_sound, new_account, new_store

T = TypeVar("T")
Picture = dict[Kind, dict[int, Any]]

LETTERS = [
    Letter(message_id=f"{n}@a", references=tuple(f"{m}@a" for m in references), body="x" * n).octets()
    for n, references in enumerate([(), (0,), (1,), (), (3,), (0, 3), (9,), (9,)])
]
DIGESTS = [digest_octets(octets) for octets in LETTERS]
choice = st.integers(0, 1_000_000)


class MailMachine(RuleBasedStateMachine):
    """Each rule is one transaction; after each, everything is compared."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = new_store()
        self.model: dict[EmailId, tuple[bool, frozenset[MailboxId]]] = {}
        self.boxes: list[MailboxId] = []
        self.last_uid: dict[MailboxId, int] = {}
        self.pictures: list[tuple[int, Picture]] = []
        self.made = 0

    @initialize()
    def open(self) -> None:
        self.account = self.runner.run(new_account(self.store))
        self.boxes = [m.id for m in self.read(mailboxes.list_all)][:3]
        self.staged = [self.runner.run(self.store.blobs.stage(octets)) for octets in LETTERS]
        self.take_picture()

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    def read(self, body: Callable[[AccountView], T]) -> T:
        return self.runner.run(self.store.read(lambda view: body(view.account(self.account.id))))

    def write(self, body: Callable[[AccountTxn], T]) -> T:
        return self.runner.run(self.store.write(lambda txn: body(txn.account(self.account.id))))

    def pick_email(self, number: int) -> EmailId:
        return sorted(self.model)[number % len(self.model)]

    def pick_boxes(self, numbers: list[int]) -> list[MailboxId]:
        return list(dict.fromkeys(self.boxes[n % len(self.boxes)] for n in numbers))

    @rule(which=choice, where=st.lists(choice, min_size=1, max_size=3), seen=st.booleans(), age=st.integers(0, 5))
    def add(self, which: int, where: list[int], seen: bool, age: int) -> None:
        which, into = which % len(LETTERS), self.pick_boxes(where)
        keywords = frozenset({"$seen"}) if seen else frozenset()

        def body(txn: AccountTxn) -> EmailId:
            blob = txn.store.keep(self.staged[which])
            return emails.add(txn, NewEmail(blob, DIGESTS[which], START_MS - age, keywords), into)[0].id

        added = self.write(body)
        self.follow_merged(added)
        self.model[added] = (seen, frozenset(into))

    def follow_merged(self, added: EmailId) -> None:
        """A mail that joins two threads gives the emails of one of them new ids, and nothing else."""
        now = {
            one: (SEEN in s.keywords, frozenset(s.placements))
            for one, s in self.read(lambda v: [*reading.every_state(v)])
        }
        gone = [self.model.pop(one) for one in self.model.keys() - now.keys()]
        made = {one: state for one, state in now.items() if one not in self.model and one != added}
        assert Counter(gone) == Counter(made.values())
        self.model.update(made)

    @precondition(lambda self: self.model)
    @rule(which=choice, seen=st.booleans(), flagged=st.booleans())
    def flag(self, which: int, seen: bool, flagged: bool) -> None:
        email = self.pick_email(which)
        keywords = {name for name, on in (("$seen", seen), ("$flagged", flagged)) if on}
        self.write(lambda txn: emails.set_keywords(txn, email, keywords))
        self.model[email] = (seen, self.model[email][1])

    @precondition(lambda self: self.model)
    @rule(which=choice, where=st.lists(choice, max_size=3))
    def file(self, which: int, where: list[int]) -> None:
        email, into = self.pick_email(which), self.pick_boxes(where)
        self.write(lambda txn: emails.set_mailboxes(txn, email, into))
        if into:
            self.model[email] = (self.model[email][0], frozenset(into))
        else:
            del self.model[email]

    @precondition(lambda self: self.model)
    @rule(which=choice, where=choice)
    def copy(self, which: int, where: int) -> None:
        email, into = self.pick_email(which), self.pick_boxes([where])
        copy, _ = self.write(lambda txn: emails.copy_within(txn, email, into[0]))
        self.model[copy.id] = (self.model[email][0], frozenset(into))

    @precondition(lambda self: self.model)
    @rule(which=choice)
    def destroy(self, which: int) -> None:
        email = self.pick_email(which)
        self.write(lambda txn: emails.destroy(txn, email))
        del self.model[email]

    @rule()
    def make_mailbox(self) -> None:
        self.made += 1
        name = f"Folder {self.made}"
        self.boxes.append(self.write(lambda txn: mailboxes.create(txn, name, None, 1)).id)

    @precondition(lambda self: len(self.boxes) > 3)
    @rule(which=choice)
    def remove_mailbox(self, which: int) -> None:
        mailbox = self.boxes[3 + which % (len(self.boxes) - 3)]
        is_used = any(mailbox in places for _, places in self.model.values())
        try:
            self.write(lambda txn: mailboxes.destroy(txn, mailbox))
            assert not is_used
            self.boxes.remove(mailbox)
        except MailboxError:
            assert is_used

    @invariant()
    def compare(self) -> None:
        if not self.pictures:
            return
        self.runner.run(assert_sound(self.store))
        for mailbox in self.boxes:
            self.compare_mailbox(mailbox)
        self.take_picture()
        now, present = self.pictures[-1]
        for since, past in self.pictures[-12:]:
            for limit in (1, 2, 1_000):
                self.replay(since, past, now, present, limit)

    def compare_mailbox(self, mailbox: MailboxId) -> None:
        inside = {email: seen for email, (seen, places) in self.model.items() if mailbox in places}
        counts = self.read(lambda view: mailboxes.counts(view, mailbox))
        assert (counts.total, counts.unread) == (len(inside), sum(not seen for seen in inside.values()))
        placed = self.read(lambda view: list(reading.placements(view, mailbox)))
        assert {email for _, email in placed} == set(inside)
        assert counts.uid_next > self.last_uid.get(mailbox, 0)
        self.last_uid[mailbox] = counts.uid_next - 1

    def take_picture(self) -> None:
        now, picture = self.read(lambda view: (view.modseq, picture_of(view)))
        self.pictures.append((now, picture))

    def replay(self, since: int, past: Picture, now: int, present: Picture, limit: int) -> None:
        """Whoever knew ``past`` and follows the changes knows ``present``."""
        for kind in Kind:
            known = set(past[kind])
            touched: set[int] = set()
            at, after, more = since, None, True
            while more:
                found = self.read(
                    lambda view, kind=kind, at=at, after=after: changes_since(view, kind, at, limit, after_object=after)
                )
                assert len(found.created) + len(found.updated) + len(found.destroyed) <= limit
                assert known.isdisjoint(found.created)
                known = (known | set(found.created)) - set(found.destroyed)
                touched |= set(found.created) | set(found.updated)
                at, after, more = found.new_state, found.new_object, found.has_more
            assert (at, after) == (now, None)
            assert known == set(present[kind])
            changed = {one for one in known & set(past[kind]) if past[kind][one] != present[kind][one]}
            assert changed <= touched


def picture_of(view: AccountView) -> Picture:
    """Everything a client can see, by kind and id."""
    members: dict[int, list[EmailId]] = {}
    for email in reading.every_email(view):
        members.setdefault(email.thread, []).append(email.id)
    return {
        Kind.MAILBOX: {m.id: (m, mailboxes.counts(view, m.id)) for m in mailboxes.list_all(view)},
        Kind.EMAIL: {one: (s.keywords, frozenset(s.placements)) for one, s in reading.every_state(view)},
        Kind.THREAD: {thread: sorted(ids) for thread, ids in members.items()},
    }


class DurableMailMachine(MailMachine):
    """The same over a backend that keeps what it is given."""

    opening: ClassVar[Callable[[Path], Awaitable[KeyValueStore]]]

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        opening = type(self).opening
        self.store = new_store(self.runner.run(opening(Path(self.directory.name) / "mail")))  # type: ignore[arg-type]

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


def run(machine: type[MailMachine], examples: int, steps: int) -> None:
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call]


def test_mail_keeps_its_books_in_memory() -> None:
    run(MailMachine, examples=25, steps=20)


@pytest.mark.parametrize("backend", ["sqlite", "rocksdb", "postgres", *foundationdb.GROUNDS])
def test_mail_keeps_its_books_on(backend: str, request: pytest.FixtureRequest) -> None:
    def on_postgres(_: Path) -> Awaitable[KeyValueStore]:
        return PostgresKeyValueStore.open(request.getfixturevalue("postgres_server").new_database())

    async def on_foundationdb(_: Path) -> KeyValueStore:
        place = grounds.enter_context(foundationdb.ground(backend))
        if isinstance(place.binding, Double):  # commits that nobody answers: landed, lost, still on their way
            place.binding.cluster.faults.commits.extend([0, "landed", 0, 0, "lost", 0, 1020, 0, "late"] * 20)
        return await FoundationKeyValueStore.open(place.url, binding=place.binding)

    opening = {
        "sqlite": SqliteKeyValueStore.open,
        "rocksdb": RocksKeyValueStore.open,
        "postgres": on_postgres,
    }.get(backend, on_foundationdb)
    machine = type("Machine", (DurableMailMachine,), {"opening": staticmethod(opening)})
    with contextlib.ExitStack() as grounds:
        run(machine, examples=4, steps=12)
