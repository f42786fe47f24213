"""What one person says turns that person's next copies, and a model takes over without a restart: a real gateway."""

import json
import time
from pathlib import Path

from models import artefact
from tests.e2e.test_one_message import fetch_by_id, imap, send
from tests.e2e.test_opinions import explained, until_labelled
from tests.support.gateway import Gateway, serving
from tests.support.letters import letter
from training.main import Options, train
from training.modern.compose import mails

ANA, BOB = "ana@example.com", "bea@example.com"


def offer(name: str, number: int) -> bytes:
    """Copies of one campaign, with another name, number and subject."""
    return letter(
        f"{name}, your garden this spring",
        f"Hello {name},\n\nour gardeners prune hedges, lay lawns and look after ponds all over the county. Order "
        f"{number} rolls of turf before Friday and we bring the first bags of soil for nothing. Call us, or write "
        f"to the office, and ask for a visit; reference {number * 7}.\n\nThe gardeners of Partner\n",
    ).as_bytes()


def folder_of(gateway: Gateway, who: str, reception: str) -> str:
    with imap(gateway, who) as client:
        for folder in ("INBOX", "Junk"):
            client.select_folder(folder)
            if client.search(["HEADER", "X-Mailward-Id", reception]):
                return folder
    return ""


def until_model(gateway: Gateway, wanted: str) -> str:
    """Send until a mail is judged by a model; its reception."""
    deadline = time.monotonic() + 30
    while True:
        reception = send(gateway, letter(f"Notes {time.monotonic()}").as_bytes())
        if wanted in explained(gateway, reception)["model"]:
            return reception
        assert time.monotonic() < deadline, "the model never took over"


def test_one_persons_word_turns_that_persons_copies_and_is_taken_back(tmp_path: Path, dns: str) -> None:
    with serving(tmp_path, dns) as gateway:
        gateway.add_user(ANA)
        gateway.add_user(BOB)
        first = send(gateway, offer("Ana", 12), ANA, BOB)
        with imap(gateway) as client:
            fetch_by_id(client, "INBOX", first)
            client.select_folder("INBOX")
            client.add_flags(client.search(), ["$Junk"])
        until_labelled(gateway, "mail.label")
        deadline = time.monotonic() + 20
        while folder_of(gateway, ANA, second := send(gateway, offer("Joe", 31), ANA, BOB)) != "Junk":
            assert time.monotonic() < deadline, "a near copy is not known"
        assert folder_of(gateway, BOB, second) == "INBOX"
        label = json.loads(gateway.command("labels", "list", "--json").stdout)
        assert (label["by"], label["said"], label["via"], label["counts_for"]) == (
            ANA, "unwanted", "keyword", "its author",
        )  # fmt: skip
        gateway.command("labels", "undo", "--by", ANA)
        deadline = time.monotonic() + 20
        while folder_of(gateway, ANA, send(gateway, offer("Kim", 55), ANA)) != "INBOX":
            assert time.monotonic() < deadline, "what was taken back still counts"
        assert gateway.failures() == []


def test_a_model_takes_over_without_a_restart_and_goes_back(tmp_path: Path, dns: str) -> None:
    made = tmp_path / "made"
    for number, mail in enumerate(mails(1, 3, held_out=False)):
        folder = made / ("spam" if mail.label.is_unwanted else "ham")
        folder.mkdir(exist_ok=True, parents=True)
        (folder / f"{number}.eml").write_bytes(mail.octets)
    model = train(made / "ham", made / "spam", made / "model", options=Options(composed=False)).id
    with serving(tmp_path, dns, workers=2) as gateway:
        gateway.add_user(ANA)
        gateway.command("model", "shadow", str(made / "model"))
        shipped = artefact.load().id
        until_model(gateway, shipped)
        deadline = time.monotonic() + 30
        while True:
            send(gateway, letter(f"Minutes {time.monotonic()}").as_bytes())
            report = json.loads(gateway.command("model", "shadow", "--report", "--json").stdout)
            if report["mails"]:
                break
            assert time.monotonic() < deadline, "the trial was never counted"
        assert report["model"] == model
        gateway.command("model", "promote", model)
        until_model(gateway, model)
        gateway.command("model", "rollback")
        until_model(gateway, shipped)
        assert gateway.failures() == []
