"""The lists, the live view and the audit page, as a browser without script sees them."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from protocols.console.services import ConsoleSettings
from store.audit import chain
from store.changes.engine import StoreTxn
from store.schema import keys
from store.schema.rows import pack
from store.trace import rows as traces
from store.trace.rows import Trace
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN, ANA, BOB, Sample
from tests.protocols.console.scene import Browser, Scene, browser, id_of, scene

SETTINGS = ConsoleSettings(page_rows=5, live_poll_s=0.2, live_streams=2)
_ROW = re.compile(r'data-href="/message/([0-9a-z]+)"')


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    async with scene((*mails.HELD, *mails.OTHERS), SETTINGS) as one:
        yield one


@pytest.fixture
async def admin(made: Scene) -> AsyncIterator[Browser]:
    async with browser(made) as one:
        await one.sign_in(ADMIN)
        yield one


async def ids(client: Browser, path: str) -> list[str]:
    return _ROW.findall((await client.get(path)).text)


async def test_the_most_doubtful_comes_first(admin: Browser) -> None:
    first = await ids(admin, "/queue")
    assert first[:2] == [id_of("play"), id_of("desk")]
    assert len(first) == 5


async def test_pages_follow_each_other_and_hold_everything_once(admin: Browser) -> None:
    seen = [one for page in (1, 2, 3) for one in await ids(admin, f"/queue?page={page}")]
    assert sorted(seen) == sorted(id_of(s.key) for s in mails.HELD)
    assert await ids(admin, "/queue?page=99") == await ids(admin, "/queue?page=3")
    assert await ids(admin, "/queue?page=x") == await ids(admin, "/queue?page=1")


async def test_settled_mail_moves_to_its_tab_and_says_by_whom(admin: Browser) -> None:
    assert await ids(admin, "/queue?tab=settled") == []
    await admin.submit(f"/message/{id_of('play')}/act", {"act": "release"})
    assert await ids(admin, "/queue?tab=settled") == [id_of("play")]
    assert id_of("play") not in await ids(admin, "/queue")
    assert "Released by" in (await admin.get("/queue?tab=settled")).text


async def test_all_mail_is_newest_first_whatever_became_of_it(admin: Browser) -> None:
    assert await ids(admin, "/queue?tab=all") == [id_of(k) for k in ("ok1", "ok2", "junk1", "no1", "qr")]


@pytest.mark.parametrize(
    ("query", "keys_found"),
    [
        ("verdict:bec", ["desk"]),
        ("from:citytheatre", ["play"]),
        ("to:maria", ["parcel"]),
        ("verdict:phish -to:maria score:<0.99", ["bank", "sign"]),
        ("nothing like this", []),
    ],
)
async def test_the_queue_can_be_searched(admin: Browser, query: str, keys_found: list[str]) -> None:
    page = await admin.get("/queue", params={"q": query})
    assert _ROW.findall(page.text) == [id_of(k) for k in keys_found]
    assert f"{len(keys_found)} of 12 match" in page.text


async def test_a_message_page_says_everything(admin: Browser) -> None:
    page = (await admin.get(f"/message/{id_of('qr')}")).text
    for said in (
        "Held as phishing, 99.4 %",
        "Would have been delivered only without all of:",
        'role="img" aria-labelledby="wide-title wide-desc"',
        "All 9 reasons as a table",
        "nothing aligned; policy none",
        "203.0.113.77",
        "Scan the code below",
        "quarantine.hold",
        "bayes-3",
        "Release this one",
    ):
        assert said in page
    assert page.count('class="step ') == 18, "nine bars, for wide and for narrow screens"


async def test_a_mail_whose_trace_is_gone_can_still_be_decided(made: Scene, admin: Browser) -> None:
    await made.store.write(lambda txn: txn.kv.delete(keys.TRACE + id_of("desk").encode()))
    assert id_of("desk") in await ids(admin, "/queue")
    page = await admin.get(f"/message/{id_of('desk')}")
    assert page.status_code == 200
    assert "Are you at your desk?" in page.text
    answer = await admin.submit(f"/message/{id_of('desk')}/act", {"act": "release"})
    assert "Released" in answer.text


async def test_a_mail_whose_octets_are_gone_says_so(made: Scene, admin: Browser) -> None:
    await made.store.write(lambda txn: txn.kv.delete_range(b"b", b"c"))
    page = await admin.get(f"/message/{id_of('no1')}")
    assert "not kept" in page.text
    assert (await admin.get(f"/message/{id_of('no1')}/preview")).status_code == 404
    assert (await admin.get(f"/message/{id_of('no1')}/source.eml")).status_code == 404


@pytest.mark.parametrize("action", ["defer", "trap", "reject", "something-new"])
async def test_a_bare_trace_is_shown(made: Scene, admin: Browser, action: str) -> None:
    """No sender, no subject, no octets, no reasons, words of a later version."""
    row = Trace(
        "zz9", 0, "", "", "", "", "", "", 0, None, "new-category", action, 0.5, "", (), (), "", b"", (), {}
    )  # fmt: skip
    await made.store.write(lambda txn: traces.put(txn, row))
    for path in ("/queue?tab=all", "/live", "/message/zz9", "/message/zz9?view=html"):
        page = await admin.get(path)
        assert page.status_code == 200, path
        assert "no subject" in page.text
    assert (await admin.submit("/message/zz9/act", {"act": "release"})).status_code == 404


async def test_a_store_that_fails_is_an_answer(made: Scene, admin: Browser) -> None:
    await made.store.kv.close()
    answer = await admin.get("/queue")
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text


# Audit


async def test_the_audit_shows_the_newest_and_goes_back(made: Scene, admin: Browser) -> None:
    def many(txn: StoreTxn) -> None:
        for number in range(150):
            chain.record(txn, 0, "mailward", "test", f"object-{number}")

    await made.store.write(many)
    page = (await admin.get("/audit")).text
    assert "object-149" in page
    assert "object-0<" not in page
    older = re.search(r'href="(/audit\?before=\d+)"', page)
    assert older is not None
    assert "object-0<" in (await admin.get(older[1])).text


async def test_the_chain_is_verified_on_demand(made: Scene, admin: Browser) -> None:
    assert "The chain holds" in (await admin.submit("/audit/verify", {})).text

    def forge(txn: StoreTxn) -> None:
        entry = next(iter(chain.entries(txn, 3)))  # type: ignore[arg-type]
        txn.kv.put(keys.AUDIT + keys.u64(3), pack(replace(entry, detail="nothing happened")))

    await made.store.write(forge)
    said = (await admin.submit("/audit/verify", {})).text
    assert "The chain is broken at entry 3: its content was changed." in said


# Live


async def events(client: Browser, path: str, count: int) -> list[tuple[str, str]]:
    """The first events of a stream as (id, html)."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(10), client.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        reception = ""
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                reception = line[4:]
            elif line.startswith("data: "):
                found.append((reception, msgspec.json.decode(line[6:])["html"]))
                if len(found) == count:
                    break
    return found


def fresh(key: str, to: str = ANA, subject: str = "Fresh") -> Sample:
    return Sample(
        key, "New", "new@sender.example", subject, "spam", (("model.text", 3.0, "Spam"),), to=(to,), minutes_ago=0
    )


async def test_new_mail_appears_as_it_is_judged(made: Scene, admin: Browser) -> None:
    waiting = asyncio.create_task(events(admin, f"/live/events?after={id_of('ok1')}", 2))
    first = await made.add(fresh("a", subject="<script>alert(1)</script>"))
    second = await made.add(fresh("b"))
    got = await waiting
    assert {one for one, _ in got} == {first, second}
    html = dict(got)[first]
    assert "&lt;script&gt;" in html
    assert "<script" not in html


async def test_mail_that_was_committed_late_is_not_missed(made: Scene, admin: Browser) -> None:
    """A mail gets its id when it comes and is committed when it is judged: ids do not arrive in order."""
    waiting = asyncio.create_task(events(admin, f"/live/events?after={id_of('ok1')}", 2))
    newer = await made.add(fresh("z"))
    older = await made.add(mails.Sample("slow", "", "s@s.example", "slow", "spam", (), minutes_ago=1))
    assert {one for one, _ in await waiting} == {newer, older}


async def test_a_broken_stream_goes_on_where_it_was(made: Scene, admin: Browser) -> None:
    first = await made.add(fresh("a"))
    second = await made.add(fresh("b"))
    assert [one for one, _ in await events(admin, f"/live/events?after={first}", 1)] == [second]


async def test_a_person_sees_only_their_own_mail_come_in(made: Scene) -> None:
    async with browser(made) as ana:
        await ana.sign_in(ANA)
        assert id_of("docm") not in await ids(ana, "/live")
        waiting = asyncio.create_task(events(ana, f"/live/events?after={id_of('ok1')}", 1))
        await made.add(fresh("a", to=BOB))
        own = await made.add(fresh("b"))
        assert [one for one, _ in await waiting] == [own]


async def test_streams_are_limited_and_end_with_the_server(made: Scene, admin: Browser) -> None:
    opened: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]

    async def hold(at: int) -> str:
        async with admin.stream("GET", "/live/events") as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    opened[at].set()
        return "ended"

    async with asyncio.timeout(10):
        streams = [asyncio.create_task(hold(0)), asyncio.create_task(hold(1))]
        for one in opened:
            await one.wait()
        refused = await admin.get("/live/events")
        assert refused.status_code == 503
        made.services.close()
        assert await asyncio.gather(*streams) == ["ended", "ended"]
    assert not made.services.live


async def test_our_own_files_may_be_kept(made: Scene) -> None:
    async with httpx.AsyncClient(base_url=made.url) as client:
        page = (await client.get("/login")).text
        for link in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            answer = await client.get(link)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"
