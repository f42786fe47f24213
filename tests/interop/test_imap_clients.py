"""Real IMAP clients against a live server over SQLite: imapclient, mbsync, neomutt."""

import asyncio
import contextlib
import mailbox
import os
import shutil
import ssl
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from protocols.imap.settings import ImapSettings
from store.blob.view import Blobs
from store.changes.announce import Announcer
from store.changes.engine import Store
from store.kv.sqlite import SqliteKeyValueStore
from tests.protocols.imap.house import LOGIN, PASSWORD, House, open_house
from tests.protocols.imap.script import NESTED, PLAIN, UMLAUT

pytestmark = pytest.mark.interop

HOST = "localhost"
WAIT_S = 60.0


def program(name: str) -> str:
    """Where a program is. Skips when it is not installed; in CI that is a failure."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def house(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[House]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    kv = await SqliteKeyValueStore.open(tmp_path / "mail.db")
    store = Store(kv, Blobs(kv), Announcer())
    async with open_house(store, ImapSettings(allow_plaintext_login=True), context) as opened:
        yield opened
    await store.close()


def _client(house: House, authority: trustme.CA | None = None) -> IMAPClient:
    client = IMAPClient("127.0.0.1", house.port, ssl=False, timeout=30)
    if authority is not None:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        client.starttls(context)
    client.login(LOGIN, PASSWORD)
    return client


def _folders_and_mail(house: House, authority: trustme.CA) -> None:
    with contextlib.closing(_Closing(_client(house, authority))) as closing:
        client = closing.client
        assert client.has_capability("UIDPLUS") and client.has_capability("CONDSTORE")
        client.id_({"name": "test"})
        assert client.namespace().personal == (("", "/"),)
        client.create_folder("Größe/日本 & more")
        names = {name: flags for flags, _, name in client.list_folders()}
        assert "Größe/日本 & more" in names and b"\\Junk" in names["Junk"]
        assert client.find_special_folder(b"\\Trash") == "Trash"
        client.rename_folder("Größe", "Kleine")
        assert client.folder_exists("Kleine/日本 & more") and not client.folder_exists("Größe")
        client.unsubscribe_folder("Kleine")
        client.delete_folder("Kleine/日本 & more")
        moment = datetime(2026, 1, 15, 8, 0, 0, tzinfo=UTC)
        assert b"APPENDUID" in client.append("INBOX", UMLAUT, (b"\\Flagged", b"work"), moment)
        client.append("INBOX", NESTED)
        status = client.folder_status("INBOX", ["MESSAGES", "UIDNEXT", "UNSEEN"])
        assert status == {b"MESSAGES": 2, b"UIDNEXT": 3, b"UNSEEN": 2}
        assert client.select_folder("INBOX")[b"EXISTS"] == 2
        found = client.fetch(
            [1, 2], ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"]
        )
        assert found[1][b"ENVELOPE"].subject == b"=?utf-8?b?R3LDvMOfZQ==?="
        assert found[1][b"ENVELOPE"].from_[0].mailbox == b"juergen"
        assert found[1][b"INTERNALDATE"].timestamp() == moment.timestamp()
        assert set(found[1][b"FLAGS"]) == {b"\\Flagged", b"work"}
        assert found[1][b"BODY[]"] == UMLAUT and found[1][b"RFC822.SIZE"] == len(UMLAUT)
        assert found[2][b"BODYSTRUCTURE"].is_multipart and len(found[2][b"BODYSTRUCTURE"][0]) == 2
        assert client.search(["SUBJECT", "grüße"], charset="UTF-8") == [1]
        assert client.search("TEXT hidden") == [2]
        assert client.search(["NOT", "FLAGGED", "SINCE", datetime(2026, 1, 1, tzinfo=UTC)]) == [2]
        client.add_flags([2], [b"\\Seen"])
        assert client.get_flags([1, 2]) == {1: (b"\\Flagged", b"work"), 2: (b"\\Seen",)}
        client.move([2], "Archive")
        client.copy([1], "Trash")
        client.delete_messages([1])
        client.expunge([1])
        assert client.search() == []
        assert client.select_folder("Archive", readonly=True)[b"READ-ONLY"]
        with pytest.raises(IMAPClientError):
            client.select_folder("nowhere")
        with pytest.raises(LoginError):
            IMAPClient("127.0.0.1", house.port, ssl=False).login(LOGIN, "wrong")


class _Closing:
    def __init__(self, client: IMAPClient) -> None:
        self.client = client

    def close(self) -> None:
        self.client.logout()


async def test_imapclient_over_starttls(house: House, authority: trustme.CA) -> None:
    await asyncio.to_thread(_folders_and_mail, house, authority)


async def test_imapclient_idles(house: House) -> None:
    is_idling = threading.Event()

    def idle() -> list[object]:
        client = _client(house)
        client.select_folder("INBOX")
        client.idle()
        is_idling.set()
        told: list[object] = client.idle_check(timeout=30)
        client.idle_done()
        client.logout()
        return told

    waiting = asyncio.create_task(asyncio.to_thread(idle))
    await asyncio.to_thread(is_idling.wait, WAIT_S)
    await house.deliver(PLAIN)
    assert await waiting == [(1, b"EXISTS")]


async def _run(*command: str, env: dict[str, str] | None = None, may_fail: bool = False, wait_s: float = WAIT_S) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **(env or {})},
    )
    try:
        async with asyncio.timeout(wait_s):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = output.decode("utf-8", "replace")
    assert may_fail or process.returncode == 0, text
    return text


async def _mailboxes(house: House) -> dict[str, list[tuple[bytes, ...]]]:
    """Flags of every mail by mailbox, as another client sees them."""

    def read() -> dict[str, list[tuple[bytes, ...]]]:
        client = _client(house)
        found: dict[str, list[tuple[bytes, ...]]] = {}
        for _, _, name in client.list_folders():
            client.select_folder(name, readonly=True)
            uids = client.search()
            flags = client.get_flags(uids) if uids else {}
            found[name] = [tuple(sorted(flags[uid])) for uid in uids]
        client.logout()
        return found

    return await asyncio.to_thread(read)


def _maildir(path: Path) -> mailbox.Maildir:
    return mailbox.Maildir(str(path), create=False)


async def test_mbsync_pulls_pushes_and_expunges_both_ways(house: House, authority: trustme.CA, tmp_path: Path) -> None:
    mbsync = program("mbsync")
    mail, certificate, config = tmp_path / "mail", tmp_path / "ca.pem", tmp_path / "mbsyncrc"
    mail.mkdir()
    authority.cert_pem.write_to_path(str(certificate))
    config.write_text(
        f'IMAPAccount house\nHost {HOST}\nPort {house.port}\nUser {LOGIN}\nPass "{PASSWORD}"\nAuthMechs PLAIN\n'
        f"SSLType STARTTLS\nCertificateFile {certificate}\n\nIMAPStore far\nAccount house\n\n"
        f"MaildirStore near\nPath {mail}/\nInbox {mail}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n"
    )
    for octets in (PLAIN, UMLAUT, NESTED):
        await house.deliver(octets)
    sync = (mbsync, "-c", str(config), "-a")
    await _run(*sync)
    pulled = _maildir(mail / "INBOX")
    assert sorted(message["Subject"] for message in pulled) == ["=?utf-8?b?R3LDvMOfZQ==?=", "Plans", "outer"]
    for key, message in pulled.items():
        if message["Subject"] == "Plans":
            message.set_flags("FS")
            message.set_subdir("cur")
            pulled[key] = message
        if message["Subject"] == "outer":
            pulled.remove(key)
    _maildir(mail / "INBOX").add(b"Subject: written here\r\n\r\nnew\r\n")
    await _run(*sync)
    seen = (await _mailboxes(house))["INBOX"]
    assert sorted(seen) == [(), (), (b"\\Flagged", b"\\Seen")]

    def expunge_plans() -> None:
        client = _client(house)
        client.select_folder("INBOX")
        client.delete_messages(client.search(["SUBJECT", "Plans"]))
        client.expunge()
        client.create_folder("Lists/New")
        client.append("Lists/New", PLAIN)
        client.logout()

    await asyncio.to_thread(expunge_plans)
    await _run(*sync)
    assert sorted(str(m["Subject"]) for m in _maildir(mail / "INBOX")) == ["=?utf-8?b?R3LDvMOfZQ==?=", "written here"]
    assert len(_maildir(mail / "Lists" / "New")) == 1
    assert "Error" not in await _run(*sync)


async def test_neomutt_flags_saves_and_purges(house: House, tmp_path: Path) -> None:
    neomutt, tmux = program("neomutt"), program("tmux")
    for octets in (PLAIN, UMLAUT):
        await house.deliver(octets)
    config = tmp_path / "neomuttrc"
    folder = f"imap://{LOGIN.replace('@', '%40')}@127.0.0.1:{house.port}/"
    config.write_text(
        f"set folder='{folder}'\nset spoolfile='+INBOX'\nset imap_user='{LOGIN}'\nset imap_pass='{PASSWORD}'\n"
        "set ssl_starttls=no\nset ssl_force_tls=no\nset delete=yes\nset confirmappend=no\nset quit=yes\nset move=no\n"
        "set sort=mailbox-order\nset mark_old=no\nset wait_key=no\nset header_cache=''\nset beep=no\n"
        "set imap_check_subscribed=no\nset imap_condstore=yes\n"
    )
    # The first mail is flagged, the second saved to Archive (a COPY and a removal), then all is written back.
    keys = "<first-entry><flag-message><next-entry><save-message>=Archive<enter><sync-mailbox><quit>"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\nexec '{neomutt}' -n -F '{config}' -e 'push {keys}'\n")
    script.chmod(0o700)
    socket_name = f"mailward-{uuid.uuid4().hex}"
    done = f"done-{uuid.uuid4().hex}"
    server = (tmux, "-L", socket_name, "-f", "/dev/null")
    sockets = tempfile.mkdtemp()  # a unix socket's path is short, tmp_path may be long
    env = {"HOME": str(tmp_path), "TERM": "screen", "TMUX_TMPDIR": sockets}
    shell = f"{script}; {tmux} -L {socket_name} wait-for -S {done}; sleep 60"
    try:
        await _run(*server, "new-session", "-d", "-x", "120", "-y", "40", shell, env=env)
        try:
            await _run(*server, "wait-for", done, env=env, wait_s=20.0)
        except TimeoutError:
            pytest.fail(await _run(*server, "capture-pane", "-p", env=env))
    finally:
        await _run(*server, "kill-server", env=env, may_fail=True)
        shutil.rmtree(sockets)
    found = await _mailboxes(house)
    assert found["INBOX"] == [(b"\\Flagged",)]
    assert len(found["Archive"]) == 1
