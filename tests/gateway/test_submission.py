"""The way out as a whole, with the shipped model: ordinary weeks, then a stolen password; and a store that fails."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.delivery.commit import Outcome
from gateway.dns.zone import Zone, ZoneResolver
from gateway.envelope import Envelope, Peer, Recipient, reception_id
from gateway.main.services import Services, build
from gateway.pipeline.evidence import Evidence, PureCheck
from gateway.reply import Reply
from gateway.submission import Submissions
from store.accounts.login import hash_password
from store.changes.engine import Store
from store.kv.memory import MemoryKeyValueStore
from store.mail import reading
from store.quarantine import held as quarantine
from store.trace import rows as trace
from tests.support.faulty_kv import FaultyKeyValueStore
from tests.support.mail_store import assert_sound, mailbox_with, new_account, new_store
from tests.support.next_hop import NextHop, next_hop

START = datetime(2026, 2, 2, 9, 0, tzinfo=UTC)
HOME, AWAY = "198.51.100.7", "203.0.113."
PASSWORD = "correct horse battery"
NOTE = "Hello Tom,\n\nthank you for the minutes. Part {n} of the plan is ready; shall we talk on Tuesday?\n\nAna\n"
LURE = (
    "Congratulations! You have WON 5,000,000 dollars in the lottery. To claim your prize send your bank account and "
    "password to our agent: http://203.0.113.9/claim/prize.php?id={n} . Viagra and cialis, 80 percent off, act now!\n"
)


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Office:
    """A gateway without listeners: what the dialogue would do is done by hand."""

    services: Services
    clock: Clock
    outcomes: list[Outcome] = field(default_factory=list)
    number: int = 0

    @property
    def out(self) -> Submissions:
        return self.services.submissions

    async def send(self, *to: str, ip: str = HOME, text: str = NOTE, subject: str = "Plan") -> Reply:
        self.number += 1
        peer = Peer(ip_address(ip), 50_000, "laptop.lan", "TLSv1.3", "ana@example.com")
        await self.out.authenticate("ana@example.com", PASSWORD, peer)
        refusal = await self.out.admit(peer, "ana@example.com")
        if refusal is not None:
            return refusal
        recipients: list[Recipient] = []
        for address in to:
            found = await self.out.resolve(address, "ana@example.com")
            assert isinstance(found, Recipient), found
            recipients.append(found)
        self.clock.now += timedelta(seconds=1)
        name = reception_id(self.clock.now, self.number)
        envelope = Envelope(name, peer, "ana@example.com", tuple(recipients), self.clock.now)
        octets = (
            f"From: Ana Ruiz <ana@example.com>\r\nTo: {to[0]}\r\nSubject: {subject} {self.number}\r\n\r\n"
            + text.format(n=self.number).replace("\n", "\r\n")
        ).encode()
        return await self.out.receive(envelope, octets)

    def signals(self) -> set[str]:
        return {reason.signal for reason in self.outcomes[-1].trace.reasons}


@pytest.fixture(scope="module")
def hop() -> object:
    with next_hop() as built:
        yield built


async def open_office(hop: NextHop, folder: Path, store: Store) -> Office:
    hop.reset()
    raw = {
        "server": {"hostname": "mx.example.com"},
        "domain": {"example.com": {}},
        "outbound": {"relay": hop.address, "relay_s": 10.0, "suspend_after": 4},
        "model": {"language": False},
    }
    await new_account(store, "ana@example.com", hash_password(PASSWORD))
    await new_account(store, "ben@example.com")
    clock, outcomes = Clock(), list[Outcome]()
    services = await build(
        parse(raw, folder),
        clock=clock,
        announce=lambda outcome, _: outcomes.append(outcome),
        resolver=ZoneResolver(Zone.of({})),
        store=store,
    )
    return Office(services, clock, outcomes)


@pytest.fixture
async def office(hop: NextHop, tmp_path: Path) -> AsyncIterator[Office]:
    store = new_store()
    built = await open_office(hop, tmp_path, store)
    yield built
    await assert_sound(store)
    await built.services.close()


async def work(office: Office, days: int) -> None:
    """Ordinary weeks: two mails a day, mostly to the same people."""
    for day in range(days):
        for hour in (0, 4):
            office.clock.now = START + timedelta(days=day, hours=hour)
            reply = await office.send("tom@partner.example", f"customer{day % 5}@far.example")
            assert reply.code == 250 and "accepted" in reply.text, (day, reply, office.outcomes[-1])
    office.clock.now = START + timedelta(days=days)


async def test_ordinary_weeks_raise_nothing_and_earn_trust(office: Office, hop: NextHop) -> None:
    await work(office, 20)
    assert len(hop.mails) == 40
    assert {name for name in office.signals() if name.startswith("outbound.")} == {"outbound.steady"}
    everybody = [f"customer{number}@far.example" for number in range(5)]
    assert (await office.send(*everybody, "tom@partner.example", text=NOTE)).code == 250, "a round letter is no crime"


async def test_a_stolen_password_shows_in_every_way_and_ends_at_once(office: Office, hop: NextHop) -> None:
    await work(office, 20)
    hop.mails.clear()
    replies = []
    for number in range(5):
        ip = f"203.0.{number + 100}.9"
        to = [f"v{number}-{each}@far.example" for each in range(60)]
        replies.append(await office.send(*to, ip=ip, text=LURE, subject="YOU WON"))
    held_or_refused = [reply for reply in replies if "held" in reply.text or reply.code == 550]
    assert len(held_or_refused) == len(replies) and hop.mails == [], replies
    assert "suspended" in replies[-1].text
    seen = {reason.signal for outcome in office.outcomes[40:] for reason in outcome.trace.reasons}
    assert {"outbound.new-network", "outbound.rise", "outbound.new-recipients", "outbound.out-of-character"} <= seen
    rows = await office.services.store.read(lambda view: list(quarantine.newest(view)))
    assert all(row.is_outgoing for row in rows)


async def test_the_same_lure_from_an_account_without_a_past_is_held(office: Office, hop: NextHop) -> None:
    reply = await office.send("x@far.example", text=LURE, subject="YOU WON")
    assert hop.mails == [] and (reply.code == 550 or "held" in reply.text)


async def test_dead_addresses_are_counted_and_then_say_something(office: Office, hop: NextHop) -> None:
    hop.at_rcpt["*"] = "550 5.1.1 nobody"
    for number in range(2):
        to = [f"dead{number}-{each}@far.example" for each in range(5)]
        assert (await office.send(*to)).code == 550
    hop.reset()
    await office.send("tom@partner.example")
    assert "outbound.failing" in office.signals()


async def test_a_mail_here_and_elsewhere_is_told_as_one(office: Office, hop: NextHop) -> None:
    assert (await office.send("ben@example.com", "x@far.example")).code == 250
    row = office.outcomes[-1].trace
    assert [(each.address, each.relay) for each in row.outcomes] == [
        ("ben@example.com", ""),
        ("x@far.example", hop.address),
    ]
    assert row.is_outgoing and row.action == "accept" and hop.mails[0].recipients == ["x@far.example"]


async def test_a_check_that_breaks_holds_the_mail(office: Office, hop: NextHop) -> None:
    def broken(_: object) -> list[Evidence]:
        raise ZeroDivisionError

    judge = office.out.judge
    judge._pure = (*judge._pure, PureCheck("broken", broken, frozenset()))
    reply = await office.send("x@far.example")
    assert "held" in reply.text and hop.mails == [] and "check.failed" in office.signals()


@dataclass(frozen=True)
class Counts:
    """How often a mail is where."""

    relayed: int
    delivered: int


async def where(office: Office, hop: NextHop) -> Counts:
    def count(view: object) -> int:
        mine = view.account(2)  # type: ignore[attr-defined]
        return len(list(reading.placements(mine, mailbox_with(mine, "inbox"))))

    return Counts(len(hop.mails), await office.services.store.read(count))


@pytest.mark.parametrize(
    ("to", "code", "found"),
    [
        pytest.param(["ben@example.com"], 451, Counts(0, 0), id="here"),
        pytest.param(["x@far.example"], 250, Counts(1, 0), id="elsewhere: the relay has it"),
        pytest.param(["x@far.example", "ben@example.com"], 451, Counts(1, 0), id="both: again, never lost"),
    ],
)
async def test_a_store_that_fails_at_the_end(
    hop: NextHop, tmp_path: Path, to: list[str], code: int, found: Counts
) -> None:
    """Two hundred and fifty is said for what the relay has taken, and never for what is nowhere."""
    store = new_store(faulty := FaultyKeyValueStore(MemoryKeyValueStore(), None))
    office = await open_office(hop, tmp_path, store)
    await office.send("ben@example.com", ip="127.0.0.1")  # the store is warm, and so is the model
    hop.reset()
    before = await where(office, hop)
    faulty._fail_at = faulty.writes  # from now on
    reply = await office.send(*to, ip="127.0.0.1")
    after = await where(office, hop)
    assert reply.code == code
    assert Counts(after.relayed, after.delivered - before.delivered) == found
    kept = await store.read(lambda view: len(list(trace.newest(view, 10))))
    assert kept == 1, "nothing of the failed one"
    await office.services.close()
