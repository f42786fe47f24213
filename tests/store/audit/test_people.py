"""People stand in the trail by pseudonyms: told while they may be, unreadable once erased; the chain holds."""

import hashlib
import json
import struct

import msgspec
import pytest
from msgspec.structs import replace

from store.audit import chain, people, verify
from store.audit.chain import Broken, Entry, Head
from store.changes.engine import Store, StoreTxn
from store.schema import keys
from store.schema.rows import pack
from tests.support.mail_store import START_MS as NOW
from tests.support.mail_store import new_store

ANN, BOB = "ann@a.example", "bob@b.example"


async def record(store: Store, actor: str = ANN, target: str = "id1", detail: str = "", *who: str) -> Entry:
    await store.write(lambda txn: chain.record(txn, NOW, actor, "act", target, detail, people=who))
    return (await store.read(lambda view: list(chain.sealed(view))))[-1]


async def words(store: Store) -> str:
    """Everything the rows say, but for the seals, whose octets may look like anything."""
    found = await store.read(lambda view: list(chain.sealed(view)))
    return " ".join(f"{e.actor} {e.target} {e.detail} {e.people}" for e in found).lower()


TEXTS: dict[str, str] = {
    "alone": ANN,
    "in brackets": f"550 5.1.1 <{ANN}> no such user",
    "after a colon": f"to:{ANN}; gone",
    "quoted": f"\"{ANN}\" and '{BOB}'",
    "in a job's name": f"relay-id1-{ANN}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_no_address_is_sealed_whatever_a_caller_writes(store: Store, text: str) -> None:
    await record(store, ANN, text, text, BOB)
    kept = await words(store)
    assert "@" not in kept and "p:" in kept
    [told] = await store.read(lambda view: list(chain.entries(view)))
    assert (told.actor, told.target, told.detail, told.people) == (ANN, text, f"{BOB}: {text}", (BOB,))


@pytest.mark.parametrize("text", ["@b.example", "at noon", "p:x", "\ud800 odd", ""], ids=repr)
async def test_what_names_nobody_is_left(store: Store, text: str) -> None:
    entry = await record(store, "command line", text, text)
    assert entry.actor == "command line" and entry.target == text.encode("utf-8", "replace").decode()


async def test_a_person_has_one_pseudonym(store: Store) -> None:
    one, two = await record(store, ANN), await record(store, "Ann@A.example")
    assert one.actor == two.actor and one.actor.startswith("p:")
    assert (await record(store, BOB)).actor != one.actor


async def test_entries_about_a_person_are_found(store: Store) -> None:
    await record(store, ANN, BOB)
    await record(store, ANN, ANN)
    assert [e.target for e in await store.read(lambda view: chain.about(view, BOB))] == [BOB]


async def test_an_erased_name_is_gone_and_the_chain_holds(store: Store) -> None:
    await record(store, ANN, "id1", f"told {ANN}", ANN, BOB)
    assert await store.write(lambda txn: people.erase(txn.kv, ANN))
    assert not await store.write(lambda txn: people.erase(txn.kv, ANN))
    [told] = await store.read(lambda view: list(chain.entries(view)))
    assert told.actor.startswith("(erased ") and ANN not in str(told) and BOB in told.people
    assert await store.read(chain.verify) is None
    assert (await record(store, ANN)).actor != (await store.read(lambda view: next(chain.sealed(view)))).actor


def by_hand(line: dict[str, object]) -> str:
    """The algorithm that docs/retention.md gives to outsiders."""
    digest = hashlib.sha256(b"mailward audit entry 2\x00" if line["version"] == 2 else b"")
    digest.update(struct.pack(">QQ", line["seq"], line["at_ms"]) + bytes.fromhex(str(line["before"])))
    fields = [line["actor"], line["act"], line["target"], line["detail"]]
    for field in [*fields, *line["people"]]:  # type: ignore[misc]
        octets = str(field).encode()
        digest.update(struct.pack(">Q", len(octets)) + octets)
    return digest.hexdigest()


def exported(entry: Entry) -> dict[str, object]:
    whole = msgspec.structs.asdict(entry) | {"before": entry.before.hex(), "seal": entry.seal.hex()}
    return msgspec.convert(json.loads(json.dumps(whole)), dict[str, object])


async def old(store: Store, count: int = 2) -> None:
    """Entries as version 1 wrote them: people in clear."""

    def body(txn: StoreTxn) -> None:
        for _ in range(count):
            head = chain.head_of(txn.kv)
            entry = Entry(head.seq + 1, NOW, ANN, "act", BOB, f"to {BOB}", head.seal, b"")
            entry = replace(entry, seal=chain.seal_of(entry))
            txn.kv.put(keys.AUDIT + keys.u64(entry.seq), pack(entry))
            txn.kv.put(keys.meta("audit-head"), entry.seal)
            txn.kv.add(keys.meta("audit-seq"), 1)

    await store.write(body)


async def test_an_outsider_can_compute_the_seals(store: Store) -> None:
    await old(store)
    await record(store, ANN, "ünïcode", "dètail", ANN, BOB)
    for entry in await store.read(lambda view: list(chain.sealed(view))):
        assert by_hand(exported(entry)) == entry.seal.hex()


async def test_entries_of_version_1_still_count(store: Store) -> None:
    await old(store)
    await record(store)
    assert await store.read(chain.verify) is None
    told = await store.read(lambda view: list(chain.entries(view)))
    assert [(e.actor, e.version) for e in told] == [(ANN, 1), (ANN, 1), (ANN, 2)]


async def heads(store: Store, count: int) -> list[Head]:
    return [Head(entry.seq, entry.seal) for entry in [await record(store) for _ in range(count)]]


async def test_a_seal_kept_outside_shows_a_cut_end_and_a_chain_sealed_anew() -> None:
    honest, forged = new_store(), new_store()
    kept = (await heads(honest, 6))[4]
    anchors = {kept.seq: kept.seal}
    assert (await verify.verify_all(honest, anchors))[0] is None
    await heads(forged, 4)
    assert (await verify.verify_all(forged))[0] is None, "by itself a shorter chain is whole"
    broken = (await verify.verify_all(forged, anchors))[0]
    assert broken == Broken(5, "entry 5, whose seal was kept outside, is not there any more")
    await heads(forged, 2)
    assert (await verify.verify_all(forged, anchors))[0] == Broken(5, "is not the entry whose seal was kept outside")


async def test_a_long_chain_is_verified_in_short_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()
    last = (await heads(store, 10))[-1]
    monkeypatch.setattr(verify, "BATCH", 3)
    steps: list[int] = []
    assert await verify.verify_all(store, None, steps.append) == (None, last)
    assert steps == [3, 3, 3, 1]
    await store.kv.write(lambda txn: txn.delete(keys.AUDIT + keys.u64(5)))
    assert (await verify.verify_all(store))[0] == Broken(5, "entry 5 is missing")
    await store.kv.write(lambda txn: txn.delete_range(keys.AUDIT + keys.u64(4), b"v"))
    assert (await verify.verify_all(store))[0] == Broken(4, "entries at the end are missing")


async def trimmed(store: Store) -> list[Head]:
    made = await heads(store, 5)
    assert await store.write(lambda txn: chain.trim(txn, NOW + 1, NOW + 9, 3)) == 3
    return made


async def test_old_entries_may_go_when_an_entry_says_so() -> None:
    store = new_store()
    made = await trimmed(store)
    assert await store.read(chain.verify) is None
    last = (await store.read(lambda view: list(chain.sealed(view))))[-1]
    assert (last.act, last.target, last.detail) == (chain.TRIM, "3", made[2].seal.hex())
    assert (await verify.verify_all(store, {4: made[3].seal}))[0] is None
    assert (await verify.verify_all(store, {3: made[2].seal}))[0] is None
    assert (await verify.verify_all(store, {3: bytes(32)}))[0] == Broken(
        3, "is not the entry whose seal was kept outside"
    )
    assert "let go by age" in str((await verify.verify_all(store, {2: made[1].seal}))[0])


async def test_nobody_can_let_entries_go_unsaid() -> None:
    store = new_store()
    made = await trimmed(store)
    await store.kv.write(lambda txn: txn.delete(keys.AUDIT + keys.u64(4)))
    await store.kv.write(lambda txn: txn.put(keys.meta("audit-base"), keys.u64(4) + made[3].seal))
    broken = await store.read(chain.verify)
    assert broken == Broken(5, "entries up to 4 are missing, and none says that they went")


async def test_trimming_stops_at_what_is_new(store: Store) -> None:
    await heads(store, 2)
    await store.write(lambda txn: chain.record(txn, NOW + 5, ANN, "act", "later"))
    assert await store.write(lambda txn: chain.trim(txn, NOW + 5, NOW + 9)) == 2
    assert await store.write(lambda txn: chain.trim(txn, NOW + 5, NOW + 9)) == 0
    assert await store.read(chain.verify) is None
