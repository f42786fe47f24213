"""The whole server on the other stores: mail in, mail out, and the invariants proved afterwards."""

from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.support.gateway import CONFIG, PASSWORD, mailward, serving
from tests.support.letters import letter

MAILS = 20


@pytest.mark.parametrize(("backend", "workers"), [("rocksdb", 1), ("postgresql", 2)])
def test_a_server_delivers_into_its_store_and_gives_it_back_after_a_restart(
    backend: str, workers: int, tmp_path: Path, dns: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if backend == "postgresql" else "rocksdb:mail"
    config = tmp_path / "mailward.toml"
    config.write_text(CONFIG.format(workers=workers, dns=dns, limits="", more=f'[store]\nurl = "{url}"\n'))
    command = ("--config", str(config))
    mailward("user", "add", "ana@example.com", "--password-stdin", *command, stdin=PASSWORD + "\n")
    with serving(tmp_path, dns) as gateway:
        with gateway.smtp() as client:
            for number in range(MAILS):
                octets = letter(f"number {number}").as_bytes()
                assert client.sendmail("bob@partner.example", ["ana@example.com"], octets) == {}
        beside = gateway.command("fsck", check=False)
        if backend == "rocksdb":
            assert beside.returncode != 0
            assert "stop the server" in beside.stderr
        else:
            assert "sound" in beside.stdout
        assert gateway.failures() == []
    with serving(tmp_path, dns) as gateway:
        host, port = gateway.listen["imap"]
        with IMAPClient(host, port, ssl=False, timeout=60) as reader:
            reader.login("ana@example.com", PASSWORD)
            counts = [reader.select_folder(folder)[b"EXISTS"] for folder in ("INBOX", "Junk")]
    assert sum(counts) == MAILS
    assert "sound" in mailward("fsck", *command).stdout
