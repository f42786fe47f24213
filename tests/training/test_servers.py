"""Mail to train on from real servers: IMAP and JMAP of a running gateway, over TLS, and our own store."""

import imaplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from gateway.dns.zone import Zone
from tests.support import gateway as running
from tests.support.gateway import PASSWORD, Gateway, dns_server
from tests.support.mail_store import Letter, deliver, new_account, new_store
from training.corpus import fetch, own_store
from training.corpus.imap import ImapAccount, read_imap
from training.corpus.jmap import JmapAccount, read_jmap
from training.corpus.own_store import read_store
from training.corpus.readers import MAIL_OCTETS, UnreadableCorpus
from training.corpus.sample import Label

CONFIG = """
[server]
hostname = "mx.example.com"
data = "data"
workers = 1
[listen]
smtp = ["127.0.0.1:0"]
imap = ["127.0.0.1:0"]
imaps = ["127.0.0.1:0"]
http = ["127.0.0.1:0"]
https = ["127.0.0.1:0"]
[login]
plaintext_on_loopback = true
[tls]
certificate = "tls.pem"
key = "tls.key"
[domain."example.com"]
[dns]
servers = ["{dns}"]
"""
USER = "ana@example.com"
MAILS = {Letter(f"Prize {n}", f"{n}@a.example", body=f"You have won {n} prizes.").octets() for n in range(3)}
BOX = "Werbung & Müll"


@dataclass(frozen=True, slots=True)
class House:
    """A gateway with three mails in a folder of its own and in Junk, and who signed its certificate."""

    gateway: Gateway
    trust: ssl.SSLContext

    def imap(self, password: str = PASSWORD) -> ImapAccount:
        return ImapAccount("127.0.0.1", USER, password, self.gateway.listen["imaps"][1], trust=self.trust)

    def jmap(self, password: str = PASSWORD) -> JmapAccount:
        return JmapAccount(f"https://127.0.0.1:{self.gateway.listen['https'][1]}", USER, password, self.trust)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    authority = trustme.CA()
    certificate = authority.issue_cert("mx.example.com", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "tls.pem", append=bool(number))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with dns_server(Zone.of({})) as dns:
        (folder / "mailward.toml").write_text(CONFIG.format(dns=dns))
        started = running.start(folder, folder / "mailward.toml")
        try:
            started.add_user(USER)
            _fill(started)
            yield House(started, trust)
            assert started.failures() == []
        finally:
            running.stop(started)


def _fill(gateway: Gateway) -> None:
    with imaplib.IMAP4(*gateway.listen["imap"], timeout=30) as server:
        server.login(USER, PASSWORD)
        server.create('"Werbung &- M&APw-ll"')
        server.create("Empty")
        for box in ('"Werbung &- M&APw-ll"', "Junk"):
            for octets in sorted(MAILS):
                assert server.append(box, "", "", octets)[0] == "OK"
        huge = b"Subject: huge\r\n\r\n" + b"x" * 70 + b"\r\n" * (MAIL_OCTETS // 2)
        assert server.append("Junk", "", "", huge)[0] == "OK"


def _unseen(house: House, box: str) -> int:
    with imaplib.IMAP4(*house.gateway.listen["imap"], timeout=30) as server:
        server.login(USER, PASSWORD)
        server.select(box, readonly=True)
        return len(server.search(None, "UNSEEN")[1][0].split())


def test_imap_over_tls_gives_the_octets_and_leaves_no_trace(house: House) -> None:
    found = list(read_imap(house.imap(), BOX, Label.UNWANTED))
    assert {mail.octets for mail in found} == MAILS
    assert {(mail.label, mail.source) for mail in found} == {(Label.UNWANTED, f"imap:{BOX}")}
    assert _unseen(house, '"Werbung &- M&APw-ll"') == len(MAILS)


def test_imap_leaves_out_what_is_too_large_and_reads_the_newest(house: House) -> None:
    assert {mail.octets for mail in read_imap(house.imap(), "Junk", Label.UNWANTED)} == MAILS
    assert [mail.octets for mail in read_imap(house.imap(), BOX, Label.UNWANTED, most=1)] == [sorted(MAILS)[-1]]


@pytest.mark.parametrize(
    ("box", "password", "says"),
    [("Nowhere", PASSWORD, "no mailbox 'Nowhere'"), ("Empty", PASSWORD, "holds no mail"), ("Junk", "wrong", "refused")],
)
def test_imap_says_what_is_wrong(house: House, box: str, password: str, says: str) -> None:
    with pytest.raises(UnreadableCorpus, match=says):
        list(read_imap(house.imap(password), box, Label.UNWANTED))


def test_imap_trusts_only_whom_it_is_told_to(house: House) -> None:
    stranger = ImapAccount("127.0.0.1", USER, PASSWORD, house.gateway.listen["imaps"][1])
    with pytest.raises(UnreadableCorpus, match="certificate"):
        list(read_imap(stranger, BOX, Label.UNWANTED))


@pytest.mark.parametrize("box", [BOX, "junk"])
def test_jmap_finds_a_mailbox_by_name_and_by_role(house: House, box: str) -> None:
    found = list(read_jmap(house.jmap(), box, Label.UNWANTED))
    assert {mail.octets for mail in found} == MAILS
    assert {mail.source for mail in found} == {f"jmap:{box}"}


def test_jmap_reads_the_newest(house: House) -> None:
    assert len(list(read_jmap(house.jmap(), BOX, Label.UNWANTED, most=2))) == 2


@pytest.mark.parametrize(
    ("box", "password", "says"),
    [
        ("Nowhere", PASSWORD, "no mailbox 'Nowhere'; it has: .*Junk"),
        ("Empty", PASSWORD, "holds no mail"),
        ("Junk", "wrong", "wrong user or password"),
    ],
)
def test_jmap_says_what_is_wrong(house: House, box: str, password: str, says: str) -> None:
    with pytest.raises(UnreadableCorpus, match=says):
        list(read_jmap(house.jmap(password), box, Label.UNWANTED))


def test_jmap_notices_a_server_that_speaks_something_else(house: House) -> None:
    port = house.gateway.listen["smtp"][1]
    with pytest.raises(UnreadableCorpus):
        list(read_jmap(JmapAccount(f"http://127.0.0.1:{port}", USER, PASSWORD), BOX, Label.UNWANTED))


@pytest.mark.parametrize("scheme", ["imap", "http"])
def test_a_mailbox_becomes_a_folder(house: House, scheme: str, tmp_path: Path) -> None:
    address = f"{scheme}://ana%40example.com@127.0.0.1:{house.gateway.listen[scheme][1]}/Junk"
    done = CliRunner().invoke(fetch.main, [address, "--to", str(tmp_path / "junk")], input=PASSWORD + "\n")
    assert done.exit_code == 0, done.output
    assert {file.read_bytes() for file in (tmp_path / "junk").iterdir()} == MAILS


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("imap://ana@mail.example/Junk", "without TLS"),
        ("http://ana@mail.example/Junk", "without TLS"),
        ("imaps://mail.example/Junk", "imaps://user@host"),
        ("imaps://ana:secret@mail.example/Junk", "on standard input"),
        ("pop3s://ana@mail.example/", "not known"),
        ("imaps://ana@mail.example:99999/Junk", "out of range"),
        ("imap://ana@127.0.0.1:1/Junk", "refused"),
    ],
)
def test_an_address_that_cannot_be_read(address: str, says: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(fetch.main, [address, "--to", str(tmp_path)], input="x\n")
    assert done.exit_code == 1
    assert says in done.output


async def test_our_own_store_is_read_by_what_people_did_with_their_mail() -> None:
    store = new_store()
    try:
        ann, ben = await new_account(store, "ann@a.example"), await new_account(store, "ben@b.example")
        for number, (account, role) in enumerate([(ann, "inbox"), (ann, "junk"), (ann, "trash"), (ben, "junk")]):
            await deliver(store, account, Letter(role, f"{number}@x", body=f"Mail {number}").octets(), role=role)
        found = [mail async for mail in read_store(store)]
        assert [(m.label, m.source, m.family) for m in found] == [
            (Label.LEGITIMATE, "store:a.example", f"account {ann.id}"),
            (Label.UNWANTED, "store:a.example", f"account {ann.id}"),
            (Label.UNWANTED, "store:b.example", f"account {ben.id}"),
        ]
        assert b"Mail 0" in found[0].octets
    finally:
        await store.close()


async def test_nobody_outweighs_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store()
    try:
        account = await new_account(store)
        for number in range(4):
            await deliver(store, account, Letter(body=f"Mail {number}").octets(), role="junk")
        assert len([mail async for mail in read_store(store, per_account=3)]) == 3
        monkeypatch.setattr(own_store, "MAIL_OCTETS", 10)
        assert [mail async for mail in read_store(store)] == []
    finally:
        await store.close()
