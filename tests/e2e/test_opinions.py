"""What people do with their mail comes back as evidence, and so does what a virus scanner says, over a real gateway."""

import json
import time
from pathlib import Path
from typing import Any

from tests.e2e.test_one_message import imap, send
from tests.support.clamd import EICAR, clamd
from tests.support.gateway import Gateway, serving
from tests.support.letters import letter

ANA = "ana@example.com"


def explained(gateway: Gateway, reception: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(gateway.command("explain", reception, "--json").stdout)
    return told


def signals(gateway: Gateway, reception: str) -> set[str]:
    return {reason["signal"] for reason in explained(gateway, reception)["reasons"]}


def until_labelled(gateway: Gateway, act: str) -> None:
    deadline = time.monotonic() + 20
    while act not in gateway.command("audit", "list").stdout:
        assert time.monotonic() < deadline, "nobody learned from the move"


def test_mail_moved_to_junk_is_held_against_its_sender(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns) as gateway:
        gateway.add_user(ANA)
        assert "history.confirmed-spam" not in signals(gateway, send(gateway, letter("One").as_bytes()))
        with imap(gateway) as client:
            client.select_folder("INBOX")
            client.move(client.search(), "Junk")
        until_labelled(gateway, "mail.label")
        assert "history.confirmed-spam" in signals(gateway, send(gateway, letter("Two").as_bytes()))
        assert gateway.failures() == []


def test_an_answer_to_mail_filed_as_sent_is_known(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns) as gateway:
        gateway.add_user(ANA)
        ours = letter("A question", to="bob@partner.example")
        ours.replace_header("From", ANA)
        del ours["Message-ID"], ours["Date"]
        ours["Message-ID"] = "<ours.1@example.com>"
        ours["Date"] = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        with imap(gateway) as client:
            client.append("Sent", ours.as_bytes())
        answer = letter("Re: A question")
        answer["In-Reply-To"] = "<ours.1@example.com>"
        assert "history.reply" in signals(gateway, send(gateway, answer.as_bytes()))
        assert "history.reply" not in signals(gateway, send(gateway, letter("Another").as_bytes()))


def test_a_trap_answers_as_a_mailbox_would_and_is_counted(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns) as gateway:
        gateway.add_user(ANA)
        gateway.command("trap", "add", "leaver@example.com")
        reception = send(gateway, letter("Cheap watches").as_bytes(), "leaver@example.com")
        assert explained(gateway, reception)["action"] == "trap"
        listed = gateway.command("trap", "list", "--json").stdout.splitlines()
        assert {row["trap"]: row["hits"] for row in map(json.loads, listed)}["leaver@example.com"] == 1
        both = send(gateway, letter("Cheap watches").as_bytes(), "leaver@example.com", ANA)
        assert explained(gateway, both)["action"] == "quarantine"
        assert {"trap.recipient", "trap.sender"} <= signals(gateway, both)


def test_what_a_virus_scanner_finds_is_held(tmp_path: Path, dns: str) -> None:
    mail = letter("The invoice")
    mail.add_attachment(EICAR, "application", "octet-stream", filename="invoice.txt")
    with (
        clamd(tmp_path / "c") as daemon,
        serving(tmp_path, dns, more=f'[clamav]\nsocket = "{daemon.socket}"') as gateway,
    ):
        gateway.add_user(ANA)
        told = explained(gateway, send(gateway, mail.as_bytes()))
        assert "attachment.virus" in {reason["signal"] for reason in told["reasons"]}
        assert told["action"] == "quarantine"
