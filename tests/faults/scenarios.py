"""What the gateway does that writes, each as a preparation and the act whose writes are made to fail."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.outbound.relay import drop
from gateway.quarantine.acts import Quarantine
from gateway.work.runner import Runner
from store.accounts import account as accounts
from store.blob.chunks import BlobSettings, list_ids, meta_key
from store.changes.engine import AccountId, AccountTxn, StoreTxn, StoreView
from store.mail import emails, quota, reading, uploads
from store.mail.model import EmailId, MailboxId
from store.mail.uploads import UploadLimits
from store.quarantine.held import NotHeld
from store.queue import jobs
from store.retention.rows import Rule, put_rule
from store.search.indexing import Indexer
from store.upkeep import retention
from store.upkeep.collect import Collector
from store.upkeep.expire import end_uploads
from store.upkeep.retention import Ages
from tests.faults.world import World
from tests.support.letters import GTUBE, letter
from tests.support.mail_store import mailbox_with

SMALL = letter("a small mail").as_bytes()
NOTES = "".join(f"Item {n}: the notes of our meeting, line by line, as Anna wrote them down.\n" for n in range(32_000))
LARGE = letter("a large mail", NOTES).as_bytes()
assert len(LARGE) > 20 * BlobSettings().small_octets  # the mark, three batches of frames, the meta row

Act = Callable[[World], Awaitable[bool]]
"""Does it once; whether it was answered with yes. Raises StoreError when told so by a write."""


async def nothing(world: World) -> bool:
    return True


def receive(octets: bytes, *addresses: str) -> Act:
    async def act(world: World) -> bool:
        reply = await world.receive(octets, *addresses)
        assert reply.code in {250, 451}, reply
        return reply.code == 250

    return act


Settle = Callable[[Quarantine, str], Awaitable[object]]


def with_held(settle: Settle) -> Act:
    """An act on everything that is held."""

    async def act(world: World) -> bool:
        for reception in await world.held():
            try:
                await settle(world.services.quarantine, reception)
            except NotHeld:
                return False
        return True

    return act


Change = Callable[[AccountTxn, EmailId, MailboxId], object]


def with_first(change: Change) -> Act:
    """An act of a mail client on the first mail of Ana's inbox, with her Trash at hand."""

    async def act(world: World) -> bool:
        def body(txn: StoreTxn) -> None:
            ana = accounts.find(StoreView(txn.kv), "ana@example.com")
            assert ana is not None
            mine = txn.account(ana.id)
            first = next(reading.placements(mine, mailbox_with(mine, "inbox")), None)
            if first is not None:
                change(mine, first[1], mailbox_with(mine, "trash"))

        await world.store.write(body)
        return True

    return act


def relaying(answer: str) -> Act:
    async def act(world: World) -> bool:
        world.next_host.at_data = answer
        kind = world.services.relay.kind()
        world.clock.forward(seconds=kind.lease_s + 1)
        await Runner(world.store, [kind], world.clock).work_once()
        return not world.kv.has_failed  # the relay itself only notes that the store failed

    return act


async def expire(world: World) -> bool:
    world.clock.forward(days=31)
    await world.services.quarantine.expire()
    return True


async def litter(world: World) -> bool:
    """Octets that nobody links: a large mail whose commit never came, and half of another."""
    for octets in (LARGE, LARGE[: len(LARGE) // 2]):
        await world.store.blobs.stage(octets)
    mark = b"\x80" + bytes(16)
    await world.store.write(lambda txn: txn.kv.put(meta_key(next(list_ids(txn.kv))), mark))
    return True


async def collect(world: World) -> bool:
    collector = Collector(world.store)
    for _ in range(2):
        await collector.collect()
    return True


async def drop_first(world: World) -> bool:
    for job in await world.store.read(jobs.waiting):
        await world.store.write(lambda txn, name=job.id: drop(txn, name, "admin", world.clock.ms))  # type: ignore[misc]
    return True


async def upload(world: World) -> bool:
    """What a client brought yesterday, in two accounts."""
    staged = await world.store.blobs.stage(LARGE)

    def body(txn: StoreTxn) -> None:
        limits = UploadLimits(waiting=9, octets=10 * len(LARGE), keep_ms=1_000)
        for account in accounts.all_accounts(StoreView(txn.kv)):
            uploads.add(txn.account(account.id), txn.keep(staged), staged.size, world.clock.ms, limits)

    await world.store.write(body)
    return True


async def end_old_uploads(world: World) -> bool:
    world.clock.forward(days=1)
    await end_uploads(world.store, world.clock.ms)
    return True


async def hold(world: World) -> bool:
    return await receive(GTUBE, "ana@example.com", "ann@relayed.example")(world)


RELAYED = receive(SMALL, "ann@relayed.example")


async def four_mails(world: World) -> bool:
    return all([await receive(SMALL)(world) for _ in range(4)])


async def flag_all(world: World) -> bool:
    """What STORE 1:* does: all mails of the mailbox in one transaction."""

    def body(txn: StoreTxn) -> None:
        mine = txn.account(_ana(txn))
        for _, email in list(reading.placements(mine, mailbox_with(mine, "inbox"))):
            emails.set_keywords(mine, email, {"$flagged", "$seen"})

    await world.store.write(body)
    return True


async def limit_ana(world: World) -> bool:
    """Ana may hold three mails, and has one."""
    await world.store.write(lambda txn: quota.limit(txn.account(_ana(txn)), most_mails=3))
    return await receive(SMALL)(world)


async def index(world: World) -> bool:
    """What the indexing job does."""
    await Indexer(world.store).catch_up(await world.store.read(_ana))
    return True


async def to_trash_under_a_rule(world: World) -> bool:
    rule = Rule("short", 0, 1, "", "", "trash", "", "admin", world.clock.ms)
    await world.store.write(lambda txn: put_rule(txn, rule))
    return await receive(SMALL)(world) and await with_first(
        lambda mine, email, trash: emails.set_mailboxes(mine, email, [trash])
    )(world)


async def retain(world: World) -> bool:
    world.store.clock = lambda: world.clock.ms / 1000 + 30 * 86_400
    await retention.run(world.store, Ages())
    return True


def _ana(view: StoreTxn | StoreView) -> AccountId:
    ana = accounts.find(StoreView(view.kv), "ana@example.com")
    assert ana is not None
    return ana.id


@dataclass(frozen=True, slots=True)
class Scenario:
    prepare: Act
    act: Act
    expected: tuple[str, ...]  #: what people notice once it is done, and did not before
    repeats: bool = False  #: who gets no answer does it again, and then it was done twice
    hands_over: bool = False  #: a mail reaches the next host
    in_files: bool = False  #: large blobs are files


SCENARIOS: dict[str, Scenario] = {
    "a small mail": Scenario(nothing, receive(SMALL), ("ana@example.com inbox a small mail",), True),
    "a large mail": Scenario(nothing, receive(LARGE), ("ana@example.com inbox a large mail",), True),
    "several recipients": Scenario(
        nothing,
        receive(SMALL, "ana@example.com", "ben@example.com", "ann@relayed.example"),
        ("ana@example.com inbox a small mail", "ben@example.com inbox a small mail", "waiting ann@relayed.example "),
        True,
    ),
    "a trap beside a person": Scenario(
        nothing,
        receive(SMALL, "trap@example.com", "ana@example.com"),
        ("held ana@example.com a small mail", "label True trap"),
        True,
    ),
    "a trap alone": Scenario(nothing, receive(LARGE, "trap@example.com"), ("label True trap",), True),
    "a held mail": Scenario(nothing, hold, ("held ana@example.com test", "held ann@relayed.example test"), True),
    "a relayed mail": Scenario(nothing, RELAYED, ("waiting ann@relayed.example ",), True),
    "release": Scenario(
        hold,
        with_held(lambda acts, reception: acts.release(reception, "admin")),
        ("ana@example.com inbox test", "waiting ann@relayed.example ", "released ana@example.com test"),
    ),
    "release and learn": Scenario(
        hold,
        with_held(lambda acts, reception: acts.release(reception, "admin", learn=True)),
        ("ana@example.com inbox test", "waiting ann@relayed.example ", "label False admin"),
    ),
    "delete and learn": Scenario(
        hold,
        with_held(lambda acts, reception: acts.delete(reception, "admin", learn=True)),
        ("deleted ana@example.com test", "deleted ann@relayed.example test", "label True admin"),
    ),
    "block": Scenario(
        hold,
        with_held(lambda acts, reception: acts.block_sender(reception, "admin")),
        ("policy block test@shop.test",),
    ),
    "move": Scenario(
        receive(SMALL),
        with_first(lambda mine, email, trash: emails.set_mailboxes(mine, email, [trash])),
        ("ana@example.com trash a small mail",),
    ),
    "copy": Scenario(
        receive(SMALL),
        with_first(emails.copy_within),
        ("ana@example.com trash a small mail",),
        True,
    ),
    "expunge": Scenario(receive(LARGE), with_first(lambda mine, email, _: emails.destroy(mine, email)), ()),
    "flags on many": Scenario(four_mails, flag_all, ("ana@example.com inbox a small mail $flagged $seen",)),
    "an account with a limit, and one without": Scenario(
        limit_ana,
        receive(SMALL, "ana@example.com", "ben@example.com"),
        ("ana@example.com inbox a small mail", "ben@example.com inbox a small mail"),
        True,
    ),
    "indexing": Scenario(four_mails, index, ()),
    "retention": Scenario(to_trash_under_a_rule, retain, ()),
    "a large mail, blobs in files": Scenario(
        nothing, receive(LARGE), ("ana@example.com inbox a large mail",), True, in_files=True
    ),
    "expunge, blobs in files": Scenario(
        receive(LARGE), with_first(lambda mine, email, _: emails.destroy(mine, email)), (), in_files=True
    ),
    "relayed at last": Scenario(RELAYED, relaying(""), (), hands_over=True),
    "relayed later": Scenario(RELAYED, relaying("451 later"), ("waiting ann@relayed.example failed",)),
    "refused by the next host": Scenario(RELAYED, relaying("550 never"), ("buried ann@relayed.example failed",)),
    "expiry": Scenario(hold, expire, ("expired ana@example.com test", "expired ann@relayed.example test")),
    "a mail dropped from the queue": Scenario(RELAYED, drop_first, ()),
    "uploads ended": Scenario(upload, end_old_uploads, ()),
    "collection": Scenario(litter, collect, ()),
}
