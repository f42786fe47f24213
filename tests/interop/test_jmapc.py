"""jmapc, a client other people wrote, reads and files mail over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trustme
from jmapc import Client, Comparator, EmailQueryFilterCondition, Ref
from jmapc.client import EventSourceConfig
from jmapc.methods import (
    EmailChanges,
    EmailGet,
    EmailGetResponse,
    EmailQuery,
    EmailQueryResponse,
    EmailSet,
    EmailSetResponse,
    IdentityGet,
    IdentityGetResponse,
    MailboxGet,
    MailboxGetResponse,
    MailboxQuery,
    ThreadGet,
    ThreadGetResponse,
)

from tests.support.jmap_server import PASSWORD, Jmap, jmap_server
from tests.support.mail_store import START_MS, Letter, deliver

pytestmark = pytest.mark.interop
T = TypeVar("T")

PDF = (
    "MIME-Version: 1.0",
    "Content-Type: application/pdf; name=numbers.pdf",
    "Content-Disposition: attachment; filename=numbers.pdf",
    "Content-Transfer-Encoding: base64",
)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Jmap, Client]]:
    """A server with TLS, and jmapc told by environment whom to trust."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "localhost")
    async with jmap_server(tls=tls, allow_plaintext=False) as jmap:
        for number in range(3):
            subject, answers = ("Re: Mail 0", ("0@a",)) if number == 1 else (f"Mail {number}", ())
            letter = Letter(subject, f"{number}@a", answers, body=f"Body {number}")
            await deliver(jmap.store, jmap.account, letter.octets(), received_ms=START_MS + number * 1_000)
        await deliver(jmap.store, jmap.account, Letter("Numbers", "3@a", body="SGVsbG8=", extra=PDF).octets())
        client = Client.create_with_password(
            f"localhost:{jmap.port}",
            jmap.account.address,
            PASSWORD,
            event_source_config=EventSourceConfig(types="*", closeafter="state"),
        )
        yield jmap, client
        client.requests_session.close()


async def beside(work: Callable[[], T]) -> T:
    """jmapc blocks; the server must not."""
    return await asyncio.to_thread(work)


async def test_session_and_mailboxes(house: tuple[Jmap, Client]) -> None:
    _, client = house
    assert await beside(lambda: client.account_id) == "A1"
    result = await beside(lambda: client.request(MailboxGet(ids=None), single_response=True))
    assert isinstance(result, MailboxGetResponse)
    inbox = result.data[0]
    assert (inbox.name, inbox.role, inbox.total_emails, inbox.total_threads) == ("INBOX", "inbox", 4, 3)


async def test_newest_mails_by_reference(house: tuple[Jmap, Client]) -> None:
    _, client = house
    calls = [
        EmailQuery(
            filter=EmailQueryFilterCondition(in_mailbox="M1"),
            sort=[Comparator(property="receivedAt", is_ascending=False)],
            limit=2,
        ),
        EmailGet(ids=Ref("/ids"), properties=["subject", "from", "receivedAt", "threadId"]),
    ]
    query, get = (one.response for one in await beside(lambda: client.request(calls, raise_errors=True)))
    assert isinstance(query, EmailQueryResponse)
    assert isinstance(get, EmailGetResponse)
    assert [mail.subject for mail in get.data] == ["Mail 2", "Re: Mail 0"]
    assert get.data[0].mail_from is not None
    assert get.data[0].mail_from[0].email == "ann@a.example"
    threads = await beside(lambda: client.request(ThreadGet(ids=[get.data[1].thread_id]), single_response=True))
    assert isinstance(threads, ThreadGetResponse)
    assert len(threads.data[0].email_ids) == 2


async def test_bodies_and_attachments(house: tuple[Jmap, Client], tmp_path: Path) -> None:
    _, client = house
    found = await beside(
        lambda: client.request(
            [
                EmailQuery(filter=EmailQueryFilterCondition(has_attachment=True)),
                EmailGet(ids=Ref("/ids"), fetch_all_body_values=True),
            ],
            raise_errors=True,
        )
    )
    mails = found[1].response
    assert isinstance(mails, EmailGetResponse)
    assert mails.data[0].attachments is not None
    attachment = mails.data[0].attachments[0]
    assert attachment.name == "numbers.pdf"
    await beside(lambda: client.download_attachment(attachment, tmp_path / "numbers.pdf"))
    assert (tmp_path / "numbers.pdf").read_bytes() == b"Hello"
    (tmp_path / "up.txt").write_bytes(b"octets")
    blob = await beside(lambda: client.upload_blob(tmp_path / "up.txt"))
    assert (blob.size, blob.type) == (6, "text/plain")


async def test_flags_changes_and_identity(house: tuple[Jmap, Client]) -> None:
    _, client = house
    query = await beside(lambda: client.request(EmailQuery(limit=1), single_response=True))
    assert isinstance(query, EmailQueryResponse)
    email = query.ids[0]
    done = await beside(
        lambda: client.request(EmailSet(update={email: {"keywords/$seen": True}}), single_response=True)
    )
    assert isinstance(done, EmailSetResponse)
    assert done.updated == {email: None}
    assert done.old_state is not None
    changes = await beside(lambda: client.request(EmailChanges(since_state=done.old_state), single_response=True))
    assert changes.updated == [email]  # type: ignore[union-attr]
    identity = await beside(lambda: client.request(IdentityGet(), single_response=True))
    assert isinstance(identity, IdentityGetResponse)
    assert (identity.data[0].name, identity.data[0].email) == ("Bob Builder", "bob@b.example")
    boxes = await beside(lambda: client.request(MailboxQuery(), single_response=True))
    assert len(boxes.ids) == 6  # type: ignore[union-attr]


async def test_events(house: tuple[Jmap, Client]) -> None:
    jmap, client = house
    waiting = asyncio.ensure_future(beside(lambda: next(client.events)))
    async with asyncio.timeout(20):
        while not jmap.store.announcer._listeners:
            await asyncio.sleep(0)
        await deliver(jmap.store, jmap.account, Letter("News", "9@a").octets())
        event = await waiting
    state = str(await jmap.store.read(lambda view: view.account(jmap.account.id).modseq))
    assert event.data.changed["A1"].email == state
    assert event.data.changed["A1"].email_delivery == state
