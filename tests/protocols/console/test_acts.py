"""What the buttons do to the mail, and who may press them."""

from collections.abc import AsyncIterator

import pytest

from store.audit import chain
from store.changes.engine import AccountId
from store.labels import rows as labels
from store.mail import emails, mailboxes, reading
from store.policy import entries as policy
from store.quarantine import held as quarantine
from store.quarantine.held import Held
from tests.protocols.console import mails
from tests.protocols.console.mails import ADMIN, ANA, BOB, MARIA
from tests.protocols.console.scene import Browser, Scene, browser, id_of, scene


@pytest.fixture
async def made() -> AsyncIterator[Scene]:
    async with scene((*mails.HELD, *mails.OTHERS)) as one:
        yield one


@pytest.fixture
async def admin(made: Scene) -> AsyncIterator[Browser]:
    async with browser(made) as one:
        await one.sign_in(ADMIN)
        yield one


@pytest.fixture
async def ana(made: Scene) -> AsyncIterator[Browser]:
    async with browser(made) as one:
        await one.sign_in(ANA)
        yield one


async def inbox(made: Scene, address: str) -> list[str]:
    """Subjects in a person's INBOX."""

    def body(view: object) -> list[str]:
        account = view.account(AccountId(made.people[address].id))  # type: ignore[attr-defined]
        box = mailboxes.with_role(account, "inbox")
        assert box is not None
        found = [emails.get(account, email) for email in reading.newest_first(account, box.id)]
        return [email.subject for email in found if email is not None]

    return await made.store.read(body)


async def held(made: Scene, key: str) -> Held:
    row = await made.store.read(lambda view: quarantine.get(view, id_of(key)))
    assert row is not None
    return row


async def audit(made: Scene, key: str) -> list[tuple[str, str]]:
    entries = await made.store.read(lambda view: chain.about(view, id_of(key)))
    return [(e.actor, e.act) for e in entries]


async def act(client: Browser, key: str, name: str, **fields: object) -> str:
    path = f"/message/{id_of(key)}"
    answer = await client.submit(f"{path}/act", {"act": name, "back": "/queue", **fields}, page=path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_release_puts_the_mail_into_the_inbox_and_the_audit(made: Scene, admin: Browser) -> None:
    said = await act(admin, "play", "release")
    assert "Released: “Your March programme and two premieres”, for ana@example.com" in said
    assert await inbox(made, ANA) == ["Your March programme and two premieres"]
    assert not (await held(made, "play")).is_held
    assert (await audit(made, "play"))[0] == (ADMIN, "quarantine.release")
    assert await made.store.read(lambda view: labels.get(view, id_of("play"))) is None


async def test_a_second_release_says_who_was_first_and_delivers_nothing(made: Scene, admin: Browser) -> None:
    await act(admin, "play", "release")
    path = f"/message/{id_of('play')}/act"
    made.clock.forward(minutes=5)
    answer = await admin.submit(path, {"act": "release", "back": "/queue"})
    assert "Already released by admin@example.com at 2026-03-02 09:00:00 UTC." in answer.text
    assert len(await inbox(made, ANA)) == 1


async def test_release_and_learn_leaves_a_label(made: Scene, admin: Browser) -> None:
    assert "learned as wanted" in await act(admin, "play", "release-learn")
    label = await made.store.read(lambda view: labels.get(view, id_of("play")))
    assert label is not None
    assert (label.is_spam, label.by) == (False, ADMIN)


@pytest.mark.parametrize(("name", "is_learned"), [("delete", False), ("delete-learn", True)])
async def test_delete_gives_the_mail_up(made: Scene, admin: Browser, name: str, is_learned: bool) -> None:
    await act(admin, "coin", name)
    assert [c.state for c in (await held(made, "coin")).copies] == ["deleted"]
    assert await inbox(made, ANA) == []
    label = await made.store.read(lambda view: labels.get(view, id_of("coin")))
    assert (label is not None and label.is_spam) == is_learned


@pytest.mark.parametrize(
    ("name", "subject"), [("block", "programme@citytheatre.example"), ("block-domain", "@citytheatre.example")]
)
async def test_a_block_lasts_as_long_as_asked_and_can_be_taken_back(
    made: Scene, admin: Browser, name: str, subject: str
) -> None:
    said = await act(admin, "play", name, days="7")
    assert f"{subject} is blocked for 7 days" in said
    assert "Undo" in said
    entries = await made.store.read(policy.everything)
    assert [(e.subject, e.owner, e.expires_ms - e.created_ms) for e in entries] == [(subject, ADMIN, 7 * 86_400_000)]
    said = (await admin.submit("/policy/unblock", {"subject": subject})).text
    assert f"{subject} is no longer blocked" in said
    assert await made.store.read(policy.everything) == []


async def test_a_display_name_does_not_choose_whom_we_block(made: Scene, admin: Browser) -> None:
    hostile = mails.Sample(
        "name", "boss@example.com, friend", "real@evil.example", "x", "spam", (("model.text", 4.0, "Spam"),)
    )
    reception = await made.add(hostile)
    await admin.submit(f"/message/{reception}/act", {"act": "block"})
    entries = await made.store.read(policy.everything)
    assert [e.subject for e in entries] == ["real@evil.example"]


async def test_ticked_mails_are_released_together(made: Scene, admin: Browser) -> None:
    chosen = [id_of("play"), id_of("desk")]
    answer = await admin.submit("/queue/act", {"act": "release", "id": chosen, "back": "/queue"})
    assert "Released: 2 mails." in answer.text
    assert sorted(await inbox(made, ANA)) == ["Are you at your desk?", "Your March programme and two premieres"]


async def test_one_of_many_that_is_gone_does_not_stop_the_others(made: Scene, admin: Browser) -> None:
    await act(admin, "desk", "delete")
    chosen = [id_of("desk"), "nosuchmail", id_of("play")]
    answer = await admin.submit("/queue/act", {"act": "release", "id": chosen})
    assert "Released: 1 mails. 2 could not be: Already deleted by admin@example.com" in answer.text
    assert await inbox(made, ANA) == ["Your March programme and two premieres"]


async def test_deleting_many_asks_first(made: Scene, admin: Browser) -> None:
    chosen = [id_of("play"), id_of("desk")]
    answer = await admin.submit("/queue/act", {"act": "delete", "id": chosen})
    assert "Delete 2 mails?" in answer.text
    assert (await held(made, "play")).is_held
    answer = await admin.submit("/queue/act", {"act": "delete", "id": chosen, "sure": "1"})
    assert "Deleted: 2 mails." in answer.text
    assert not (await held(made, "play")).is_held


async def test_everything_that_matches_can_be_acted_on(made: Scene, admin: Browser) -> None:
    asked = await admin.submit("/queue/act", {"act": "delete", "all": "1", "q": "verdict:phish"})
    assert "Delete 4 mails?" in asked.text
    chosen = [id_of(key) for key in ("qr", "sign", "bank", "parcel")]
    assert all(one in asked.text for one in chosen)
    await admin.submit("/queue/act", {"act": "delete", "id": chosen, "sure": "1"})
    left = await made.store.read(lambda view: {h.category for h in quarantine.by_doubt(view)})
    assert "phish" not in left
    assert len(left) == 6


async def test_nothing_ticked_is_said(admin: Browser) -> None:
    assert "No mail is ticked" in (await admin.submit("/queue/act", {"act": "release"})).text


@pytest.mark.parametrize("name", ["", "relase", "__class__"])
async def test_unknown_acts_are_refused(admin: Browser, name: str) -> None:
    assert (await admin.submit("/queue/act", {"act": name, "id": id_of("qr")})).status_code == 400
    assert (await admin.submit(f"/message/{id_of('qr')}/act", {"act": name})).status_code == 400


async def test_a_copy_can_be_released_alone(made: Scene, admin: Browser) -> None:
    await act(admin, "qr", "release", address=BOB)
    assert {c.address: c.state for c in (await held(made, "qr")).copies} == {ANA: "held", BOB: "released"}
    assert len(await inbox(made, BOB)) == 1
    assert await inbox(made, ANA) == []


# Someone who is no administrator


async def test_a_person_sees_only_mail_for_themselves(ana: Browser) -> None:
    for tab in ("held", "all"):
        page = (await ana.get(f"/queue?tab={tab}")).text
        assert "Are you at your desk?" in page
        assert "Your parcel could not be delivered" not in page, "that one is Maria's"
        assert "Updated schedule Q2" not in page, "that one is Bob's"
        assert BOB not in page
        assert MARIA not in page
    assert '<span class="count">10</span>' in (await ana.get("/queue")).text


@pytest.mark.parametrize("end", ["", "/preview", "/source.eml", "?view=source"])
async def test_other_peoples_mail_is_not_there(ana: Browser, end: str) -> None:
    assert (await ana.get(f"/message/{id_of('parcel')}{end}")).status_code == 404
    assert (await ana.get(f"/message/{id_of('junk1')}{end}")).status_code == 404
    assert (await ana.get(f"/message/nosuchmail{end}")).status_code == 404


async def test_a_person_does_not_learn_who_else_got_it(ana: Browser) -> None:
    page = (await ana.get(f"/message/{id_of('qr')}")).text
    facts = page.partition('id="copies-title"')[2].partition("</section>")[0]
    assert ANA in facts
    assert BOB not in facts


async def test_a_person_releases_only_their_own_copy(made: Scene, ana: Browser) -> None:
    said = await act(ana, "qr", "release")
    assert "for ana@example.com." in said
    assert {c.address: c.state for c in (await held(made, "qr")).copies} == {ANA: "released", BOB: "held"}
    assert len(await inbox(made, ANA)) == 1
    assert await inbox(made, BOB) == []


async def test_a_person_cannot_name_another_ones_copy(made: Scene, ana: Browser) -> None:
    answer = await ana.submit(f"/message/{id_of('qr')}/act", {"act": "release", "address": BOB})
    assert answer.status_code == 404
    assert {c.state for c in (await held(made, "qr")).copies} == {"held"}


@pytest.mark.parametrize("name", ["release", "delete", "delete-learn"])
async def test_a_person_cannot_touch_other_peoples_mail(made: Scene, ana: Browser, name: str) -> None:
    answer = await ana.submit(f"/message/{id_of('parcel')}/act", {"act": name})
    assert answer.status_code == 404
    await ana.submit("/queue/act", {"act": name, "id": id_of("parcel"), "sure": "1"})
    assert (await held(made, "parcel")).is_held
    assert await inbox(made, MARIA) == []


async def test_a_person_cannot_block_for_everyone(made: Scene, ana: Browser) -> None:
    assert (await ana.submit(f"/message/{id_of('qr')}/act", {"act": "block"})).status_code == 403
    assert (await ana.submit("/policy/unblock", {"subject": "x@y.example"})).status_code == 404
    assert await made.store.read(policy.everything) == []


async def test_a_person_does_not_see_the_audit(ana: Browser) -> None:
    assert (await ana.get("/audit")).status_code == 404
    assert (await ana.submit("/audit/verify", {})).status_code == 404
    assert "/audit" not in (await ana.get("/queue")).text


async def test_what_an_administrator_did_is_in_the_owners_timeline_without_other_addresses(
    admin: Browser, ana: Browser
) -> None:
    await act(admin, "qr", "release")
    page = (await ana.get(f"/message/{id_of('qr')}")).text
    timeline = page.partition('id="time-title"')[2]
    assert "quarantine.release" in timeline
    assert ADMIN in timeline
    assert BOB not in timeline
