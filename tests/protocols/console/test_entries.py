"""Block and allow entries made from a mail: for whom one may decide, for how long, and how they are taken back."""

from collections.abc import AsyncIterator

import pytest

from store.audit import chain
from store.policy import entries as policy
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN, ANA, BOB
from tests.protocols.console.scene import Scene, browser, id_of, scene

DAY_MS = 86_400_000
SENDER = "it-desk@exarnple.com"


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    async with scene((*mails.HELD, *mails.OTHERS)) as one:
        yield one


async def make(made: Scene, login: str, **fields: str) -> tuple[int, str]:
    async with browser(made) as one:
        await one.sign_in(login)
        page = f"/message/{id_of('qr')}"
        answer = await one.submit(f"{page}/entry", {"back": page, **fields}, page)
        return answer.status_code, answer.text


async def kept(made: Scene) -> list[tuple[str, str, str, str, int]]:
    found = await made.store.read(policy.everything)
    return [(e.kind, e.subject, e.scope, e.owner, (e.expires_ms - e.created_ms) // DAY_MS) for e in found]


MAY = {
    "an administrator for everybody": (ADMIN, "block", "address", "everybody", "7", (SENDER, "", 7)),
    "a domain for a domain": (ADMIN, "block", "domain", "@example.com", "30", ("@exarnple.com", "@example.com", 30)),
    "for one recipient": (ADMIN, "allow", "address", BOB, "1", (SENDER, BOB, 1)),
    "a person for themselves": (ANA, "block", "address", ANA, "10", (SENDER, ANA, 10)),
    "a person allows a domain": (ANA, "allow", "domain", ANA, "10", ("@exarnple.com", ANA, 10)),
    "days that are none": (ADMIN, "block", "address", "everybody", "soon", (SENDER, "", 90)),
    "days beyond any": (ADMIN, "block", "address", "everybody", "99999", (SENDER, "", 3650)),
}


@pytest.mark.parametrize(("login", "kind", "about", "scope", "days", "expected"), MAY.values(), ids=MAY)
async def test_an_entry_is_kept_with_its_scope_and_end(
    made: Scene, login: str, kind: str, about: str, scope: str, days: str, expected: tuple[str, str, int]
) -> None:
    status, page = await make(made, login, kind=kind, about=about, scope=scope, days=days)
    subject, whom, span = expected
    assert status == 200
    for_whom = f" for {whom}" if whom else ""
    assert f"{subject} is {kind}ed{for_whom} for {span} days." in page
    assert await kept(made) == [(kind, subject, whom, login, span)]
    entries = await made.store.read(lambda view: chain.about(view, subject))
    assert [(e.actor, e.act) for e in entries] == [(login, f"policy.{kind}")]


MAY_NOT = {
    "a person for everybody": (ANA, "everybody"),
    "a person for another": (ANA, BOB),
    "a person for the domain": (ANA, "@example.com"),
    "an administrator for a stranger": (ADMIN, "carol@elsewhere.example"),
    "nobody": (ADMIN, ""),
}


@pytest.mark.parametrize(("login", "scope"), MAY_NOT.values(), ids=MAY_NOT)
async def test_who_may_not_decide_is_refused(made: Scene, login: str, scope: str) -> None:
    status, _ = await make(made, login, kind="block", about="address", scope=scope, days="7")
    assert status == 403
    assert await kept(made) == []


async def test_only_what_is_offered_can_be_done(made: Scene) -> None:
    status, _ = await make(made, ADMIN, kind="delete", about="address", scope="everybody", days="7")
    assert (status, await kept(made)) == (400, [])


async def test_somebody_elses_mail_is_not_there(made: Scene) -> None:
    async with browser(made) as one:
        await one.sign_in(BOB)
        answer = await one.submit(f"/message/{id_of('desk')}/entry", {"kind": "block", "scope": BOB})
    assert answer.status_code == 404


async def test_the_page_offers_what_the_viewer_may_decide(made: Scene) -> None:
    async def page(login: str) -> str:
        async with browser(made) as one:
            await one.sign_in(login)
            return (await one.get(f"/message/{id_of('qr')}")).text

    admin, ana = await page(ADMIN), await page(ANA)
    offered = ('value="everybody"', 'value="@example.com"', f'value="{BOB}"', f'value="{ANA}"')
    assert [each in admin for each in offered] == [True, True, True, True]
    assert [each in ana for each in offered] == [False, False, False, True]


async def test_an_entry_is_shown_to_whom_it_concerns_and_taken_back(made: Scene) -> None:
    await make(made, ANA, kind="allow", about="address", scope=ANA, days="10")
    for login, sees in ((ANA, True), (BOB, False), (ADMIN, True)):
        async with browser(made) as one:
            await one.sign_in(login)
            page = (await one.get(f"/message/{id_of('qr')}")).text
            assert ("Take it back" in page) is sees
    fields = {"kind": "allow", "subject": SENDER, "scope": ANA}
    async with browser(made) as bob:
        await bob.sign_in(BOB)
        assert (await bob.submit("/policy/unblock", fields)).status_code == 404
    async with browser(made) as ana:
        await ana.sign_in(ANA)
        assert f"{SENDER} is no longer allowed." in (await ana.submit("/policy/unblock", fields)).text
    assert await kept(made) == []
