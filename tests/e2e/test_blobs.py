"""The whole server with large mail elsewhere, encrypted: in by SMTP, out by IMAP after a restart, its key changed."""

import os
from pathlib import Path

import pytest
from imapclient import IMAPClient

from store.blob.sealing import new_key
from tests.support.gateway import CONFIG, PASSWORD, mailward, serving
from tests.support.letters import letter

LINES = "".join(f"Item {n}: the notes of our meeting, line by line, as Anna wrote them down.\n" for n in range(3_000))


@pytest.mark.parametrize("place", ["files", "s3"])
def test_a_large_mail_is_kept_elsewhere_and_comes_back(
    place: str, tmp_path: Path, dns: str, request: pytest.FixtureRequest
) -> None:
    more = '[store]\nblobs = "files:blobs"\nkey_file = "store.key"\n'
    if place == "s3":
        server = request.getfixturevalue("s3_server")
        more = f'[store]\nblobs = "{server.url()}"\ns3_credentials = "{server.credentials()}"\nkey_file = "store.key"\n'
    config = tmp_path / "mailward.toml"
    config.write_text(CONFIG.format(workers=1, dns=dns, limits="", more=more))
    keys = tmp_path / "store.key"
    keys.write_text(new_key() + "\n")
    command = ("--config", str(config))
    mailward("user", "add", "ana@example.com", "--password-stdin", *command, stdin=PASSWORD + "\n")
    with serving(tmp_path, dns) as gateway, gateway.smtp() as client:
        for subject, body in (("small", "See you at noon."), ("large", LINES)):
            octets = letter(subject, body).as_bytes()
            assert client.sendmail("bob@partner.example", ["ana@example.com"], octets) == {}
        assert gateway.failures() == []
    if place == "files":
        kept = b"".join(path.read_bytes() for path in (tmp_path / "blobs").rglob("*.*"))
        assert kept
        assert LINES[:200].encode() not in kept
    keys.write_text(new_key() + "\n" + keys.read_text())
    with serving(tmp_path, dns) as gateway:
        assert "no other key is needed" in mailward("store", "rekey", *command).stdout
        keys.write_text(keys.read_text().splitlines()[0] + os.linesep)
        host, port = gateway.listen["imap"]
        with IMAPClient(host, port, ssl=False, timeout=60) as reader:
            reader.login("ana@example.com", PASSWORD)
            reader.select_folder("INBOX")
            [large] = reader.search(["SUBJECT", "large"])
            assert LINES.replace("\n", "\r\n").encode() in reader.fetch([large], ["BODY.PEEK[]"])[large][b"BODY[]"]
            assert reader.search(["TEXT", "line by line"]) == [large]
        assert "sound" in mailward("fsck", *command).stdout
        assert gateway.failures() == []
