"""How large the store is, and why."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from store.accounts import account as accounts
from store.blob import chunks
from store.blob.chunks import BLOB
from store.blob.contract import BlobId
from store.changes.engine import AccountId, AccountView, Store, StoreView
from store.kv.contract import ReadTxn, StoreError, successor
from store.kv.room import Room, room_of
from store.mail import mailboxes, quota
from store.schema import keys
from store.upkeep.findings import space_of

ROWS = 2_000
_END = b"\xff" * 8
LARGEST = 20

Tell = Callable[[str, int], None]


@dataclass(slots=True)
class Space:
    rows: int = 0
    octets: int = 0  #: of keys and values


@dataclass(slots=True)
class Mails:
    """Octets of mails, each kept once."""

    count: int = 0
    octets: int = 0  #: before compression
    packed_octets: int = 0  #: in the store, as kept
    elsewhere: int = 0  #: kept outside the key-value store
    links: int = 0
    linked_octets: int = 0  #: what it would be if everybody had a copy
    unlinked: int = 0  #: will be collected

    @property
    def deduplication(self) -> float:
        """How many times larger it would be without keeping each once."""
        return self.linked_octets / self.octets if self.octets else 1.0


@dataclass(slots=True)
class AccountSize:
    address: str
    mails: int
    octets: int


@dataclass(slots=True)
class Stats:
    spaces: dict[str, Space] = field(default_factory=dict)
    mails: Mails = field(default_factory=Mails)
    accounts: int = 0
    largest: list[AccountSize] = field(default_factory=list)
    oldest_ms: int | None = None
    newest_ms: int | None = None
    room: Room | None = None


async def measure(store: Store, tell: Tell) -> Stats:
    """Read everything in short snapshots. Raises StoreUnavailable."""
    stats = Stats()
    await _spaces(store, stats, tell)
    await _mails(store, stats, tell)
    await _accounts(store, stats)
    stats.room = await room_of(store.kv)
    return stats


async def _spaces(store: Store, stats: Stats, tell: Tell) -> None:
    start, read = b"", 0
    while True:

        def page(txn: ReadTxn, start: bytes = start) -> tuple[dict[str, Space], bytes, int]:
            found: dict[str, Space] = {}
            last, count = b"", 0
            for key, value in islice(txn.scan(start, _END), ROWS):
                space = found.setdefault(space_of(key), Space())
                space.rows, space.octets = space.rows + 1, space.octets + len(key) + len(value)
                last, count = key, count + 1
            return found, last, count

        found, last, count = await store.kv.read(page)
        for name, space in found.items():
            total = stats.spaces.setdefault(name, Space())
            total.rows, total.octets = total.rows + space.rows, total.octets + space.octets
        read += count
        tell("rows", read)
        if count < ROWS:
            break
        start = successor(last)
    stats.mails.packed_octets = stats.spaces.get(space_of(BLOB), Space()).octets


async def _mails(store: Store, stats: Stats, tell: Tell) -> None:
    after: BlobId | None = None
    mails = stats.mails
    while ids := await store.blobs.list_ids(after, ROWS // 4):
        for size, is_elsewhere, links in await store.kv.read(lambda txn, ids=ids: [_mail(txn, blob) for blob in ids]):  # type: ignore[misc]
            mails.count, mails.octets = mails.count + 1, mails.octets + size
            mails.elsewhere += is_elsewhere
            mails.links, mails.linked_octets = mails.links + links, mails.linked_octets + links * size
            mails.unlinked += not links
        after = ids[-1]
        tell("mails", mails.count)


def _mail(txn: ReadTxn, blob: BlobId) -> tuple[int, bool, int]:
    try:
        shape = chunks.shape_of(txn, blob)
    except StoreError:
        shape = None
    prefix = keys.link(blob, b"")
    links = sum(1 for _ in txn.scan(prefix, keys.prefix_end(prefix)))
    return (shape.size, bool(shape.generation), links) if shape is not None else (0, False, links)


async def _accounts(store: Store, stats: Stats) -> None:
    after = 0
    sizes: Counter[tuple[str, int]] = Counter()
    while page := await store.read(lambda view, after=after: list(accounts.every(view, after, 200))):  # type: ignore[misc]
        for account in page:

            def look(view: StoreView, number: int = account.id) -> tuple[quota.Usage, list[int]]:
                mine = view.account(AccountId(number))
                return quota.usage(mine) or quota.Usage(), _times(mine)

            usage, times = await store.read(look)
            sizes[account.address, usage.mails] = usage.octets
            for ms in times:
                stats.oldest_ms = ms if stats.oldest_ms is None else min(stats.oldest_ms, ms)
                stats.newest_ms = ms if stats.newest_ms is None else max(stats.newest_ms, ms)
        sizes = Counter(dict(sizes.most_common(LARGEST)))
        stats.accounts += len(page)
        after = page[-1].id
    stats.largest = [AccountSize(address, mails, octets) for (address, mails), octets in sizes.most_common(LARGEST)]


def _times(mine: AccountView) -> list[int]:
    """When the oldest and the newest mail of each mailbox came."""
    found: list[int] = []
    for mailbox in mailboxes.list_all(mine):
        for reverse in (False, True):
            row = next(mine.scan_prefix(b"D" + keys.u32(mailbox.id), reverse=reverse, limit=1), None)
            if row is not None:
                found.append(keys.read_u64(row[0][5:13]))
    return found
