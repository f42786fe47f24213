"""What an account has been sending: counted with each mail, read before the next, compared with its own past."""

from dataclasses import replace

from gateway.reputation import sending
from gateway.reputation.sending import DAY_MS, HOUR_MS, Sending, Submitted
from store.changes.engine import Store
from tests.support.facts import NOW

NOW_MS = int(NOW.timestamp() * 1000)
HOME, OFFICE = b"\xc0\x00\x02\x00", b"\xc6\x33\x64\x00"
MAIL = Submitted(7, ("x@far.example", "y@far.example"), 2, HOME, b"text", NOW_MS)


async def look(store: Store, mail: Submitted = MAIL) -> Sending:
    return await store.read(lambda view: sending.look_up(view, mail))


async def record(
    store: Store, mail: Submitted = MAIL, *, sent: int = 2, failed: int = 0, is_unwanted: bool = False
) -> None:
    await store.write(lambda txn: sending.record(txn, mail, sent=sent, failed=failed, is_unwanted=is_unwanted))


def at(ms: int, *to: str, **changes: object) -> Submitted:
    return replace(MAIL, now_ms=NOW_MS + ms, recipients=to or MAIL.recipients, **changes)  # type: ignore[arg-type]


async def test_an_account_that_never_sent_has_no_past(store: Store) -> None:
    assert await look(store) == Sending(
        7, recipients=2, outside=2, new=2, hour=sending.Sums(NOW_MS // HOUR_MS), today=sending.Sums(NOW_MS // DAY_MS)
    )


async def test_sums_are_of_the_hour_and_the_day(store: Store) -> None:
    await record(store)
    await record(store, at(1_000, "x@far.example"), sent=0, failed=1, is_unwanted=True)
    found = await look(store, at(2_000))
    assert (found.hour.sent, found.hour.failed, found.hour.mails, found.hour.unwanted) == (2, 1, 2, 1)
    assert (found.today.sent, found.failed, found.same_text) == (2, 1, 3)
    later = await look(store, at(HOUR_MS))
    assert (later.hour.sent, later.today.sent) == (0, 2)
    tomorrow = await look(store, at(DAY_MS))
    assert (tomorrow.today.sent, tomorrow.failed, tomorrow.active_days, tomorrow.usual_peak) == (0, 1, 1, 3)
    assert (tomorrow.mails, tomorrow.unwanted, tomorrow.same_text) == (2, 1, 0)


async def test_people_are_new_until_something_was_sent_to_them(store: Store) -> None:
    await record(store, sent=0, failed=2)
    assert (await look(store)).new == 2
    await record(store)
    mail = at(0, "x@far.example", "Y@FAR.example", "z@far.example")
    assert (await look(store, mail)).new == 1
    assert (await look(store, replace(mail, account=8))).new == 3
    assert (await look(store, replace(mail, now_ms=NOW_MS + 179 * DAY_MS))).new == 1
    assert (await look(store, replace(mail, now_ms=NOW_MS + 181 * DAY_MS))).new == 3


async def test_what_is_usual_is_of_the_last_four_weeks(store: Store) -> None:
    for day in range(40):
        await record(store, at(day * DAY_MS), sent=40 if day == 5 else 2)
    found = await look(store, at(40 * DAY_MS))
    assert (found.active_days, found.usual_peak, found.usual_day, found.mails) == (28, 2, 2, 28)
    assert found.usual_new == 0.0


async def test_networks_are_new_for_a_day_and_counted_for_an_hour(store: Store) -> None:
    async def login(network: bytes, ms: int) -> bool:
        noted = await store.read(lambda view: sending.is_noted(view, 7, network, NOW_MS + ms))
        if not noted:
            await store.write(lambda txn: sending.note_login(txn, 7, network, NOW_MS + ms))
        return noted

    assert not await login(HOME, 0)
    assert await login(HOME, HOUR_MS // 12), "a moment later it costs no write"
    assert await login(b"", 0), "loopback is no network"
    assert not (await look(store)).is_new_network, "the first one is no change"
    assert not await login(OFFICE, 2 * DAY_MS)
    found = await look(store, at(2 * DAY_MS, network=OFFICE))
    assert (found.is_new_network, found.networks_now) == (True, 1)
    assert not (await look(store, at(2 * DAY_MS, network=HOME))).is_new_network
    assert not (await look(store, at(4 * DAY_MS, network=OFFICE))).is_new_network
    for number in range(sending.NETWORKS + 5):
        await login(bytes([10, number, 0, 0]), 4 * DAY_MS)
    row = await store.read(lambda view: sending.activity(view, 7, NOW_MS + 4 * DAY_MS))
    assert len(row.networks) == sending.NETWORKS
    assert (await look(store, at(4 * DAY_MS))).networks_now == sending.NETWORKS


async def test_forgiving_forgets_what_was_unwanted(store: Store) -> None:
    await record(store, is_unwanted=True)
    await store.write(lambda txn: sending.forgive(txn, 7, NOW_MS))
    found = await look(store)
    assert (found.today.unwanted, found.today.mails) == (0, 1)
    await store.write(lambda txn: sending.forgive(txn, 8, NOW_MS))


async def test_a_damaged_row_is_made_anew(store: Store) -> None:
    from store.schema import expiring, keys

    await store.write(
        lambda txn: expiring.put_until(txn.kv, keys.REPUTATION + b"o" + keys.u32(7), b"\x01\xff", 1 << 50)
    )
    assert (await look(store)).active_days == 0
    await record(store)
    assert (await look(store)).today.sent == 2
