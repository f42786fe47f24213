"""One mail, from a program nobody here wrote to a client nobody here wrote, with the verdict shown on the way."""

import json
import subprocess
import threading
from email import message_from_bytes

import pytest
from imapclient import IMAPClient

from tests.support.gateway import PASSWORD, Gateway, program
from tests.support.letters import GTUBE, PHISH, letter


def imap(gateway: Gateway, user: str = "ana@example.com") -> IMAPClient:
    host, port = gateway.listen["imap"]
    client = IMAPClient(host, port, ssl=False, timeout=30)
    client.login(user, PASSWORD)
    return client


def fetch_by_id(client: IMAPClient, folder: str, reception: str) -> bytes:
    client.select_folder(folder)
    found = client.search(["HEADER", "X-Mailward-Id", reception])
    assert len(found) == 1, f"{reception} is {len(found)} times in {folder}"
    octets = client.fetch(found, ["BODY.PEEK[]"])[found[0]][b"BODY[]"]
    assert isinstance(octets, bytes)
    return octets


def reception_of(reply: tuple[int, bytes]) -> str:
    code, text = reply
    assert code == 250, text
    return text.decode().rpartition(" ")[2]


def send(
    gateway: Gateway, octets: bytes, *to: str, sender: str = "bob@partner.example", ip: str = "198.51.100.25"
) -> str:
    """Send by Python's smtplib as a proxy in front would, and return the id in the reply."""
    with gateway.smtp() as client:
        client.ehlo("proxy.example")
        client.docmd("XCLIENT", f"ADDR={ip} HELO=mx.partner.example")
        client.ehlo("mx.partner.example")
        client.mail(sender)
        for address in to or ("ana@example.com",):
            code, text = client.rcpt(address)
            assert code == 250, text
        return reception_of(client.data(octets))


@pytest.mark.interop
def test_a_mail_sent_by_swaks_is_authenticated_judged_and_read_over_imap(gateway: Gateway) -> None:
    host, port = gateway.listen["smtp"]
    done = subprocess.run(
        [program("swaks"), "--server", f"{host}:{port}", "--xclient", "ADDR=198.51.100.25 HELO=mx.partner.example",
         "--helo", "mx.partner.example", "--from", "bob@partner.example", "--to", "ana@example.com",
         "--header", "From: Bob <bob@partner.example>", "--header", "Subject: Minutes of Tuesday",
         "--body", "Hello Ana, the minutes are below. Shall we meet on Friday?"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    reply = next(line for line in done.stdout.splitlines() if "250 2.0.0 accepted" in line)
    with imap(gateway) as client:
        mail = message_from_bytes(fetch_by_id(client, "INBOX", reply.split()[-1]))
    results = mail["Authentication-Results"]
    assert results.startswith("mx.example.com;")
    assert "spf=pass" in results and "dmarc=pass" in results and "iprev=pass" in results
    assert mail["X-Mailward-Verdict"].startswith("ham; action=accept")
    assert mail["X-Spam-Flag"] == "NO"
    assert mail["Return-Path"] == "<bob@partner.example>"


def test_explain_says_in_json_why_and_its_nats_sum_to_the_probability(gateway: Gateway) -> None:
    reception = send(gateway, letter("Explain this").as_bytes())
    told = json.loads(gateway.command("explain", reception, "--json").stdout)
    assert told["id"] == reception
    total = sum(reason["nats"] for reason in told["reasons"])
    assert told["probability"] == pytest.approx(1 / (1 + 2.718281828459045**-total), abs=1e-9)
    assert {"parse", "auth", "checks", "words"} <= told["ms"].keys()
    assert told["auth"]["spf_mailfrom"]["result"] == "pass"


def test_a_phish_is_held_not_delivered_and_its_release_reaches_an_idle_client(gateway: Gateway) -> None:
    reception = send(gateway, PHISH, sender="it-desk@exarnple.com", ip="203.0.113.9")
    held = [json.loads(line) for line in gateway.command("quarantine", "list", "--json").stdout.splitlines()]
    mine = next(row for row in held if row["id"] == reception)
    assert mine["category"] == "phish"
    with imap(gateway) as client:
        client.select_folder("INBOX")
        assert client.search(["HEADER", "X-Mailward-Id", reception]) == []
        client.idle()
        release = threading.Thread(target=gateway.command, args=("quarantine", "release", reception))
        release.start()
        told: list[object] = []
        while not any(isinstance(line, tuple) and line[1] == b"EXISTS" for line in told):
            new = client.idle_check(timeout=20)
            assert new, "IDLE said nothing of the released mail"
            told += new
        client.idle_done()
        release.join()
        fetch_by_id(client, "INBOX", reception)
    again = gateway.command("quarantine", "release", reception, check=False)
    assert again.returncode == 1 and "not" not in again.stdout
    assert "chain holds" in gateway.command("audit", "verify").stdout


def test_gtube_is_held(gateway: Gateway) -> None:
    told = json.loads(gateway.command("explain", send(gateway, GTUBE), "--json").stdout)
    assert told["action"] == "quarantine"
    assert "gtube" in {reason["signal"] for reason in told["reasons"]}


def test_a_domain_that_asks_to_reject_what_fails_dmarc_is_held(gateway: Gateway) -> None:
    forged = letter("Your statement", sender="Bank <service@bank.example>")
    reception = send(gateway, forged.as_bytes(), sender="service@bank.example", ip="203.0.113.9")
    told = json.loads(gateway.command("explain", reception, "--json").stdout)
    assert told["auth"]["dmarc"]["result"] == "fail"
    assert told["action"] == "quarantine"
    assert "dmarc.fail_reject" in {reason["signal"] for reason in told["reasons"]}


def test_mail_to_a_trap_is_learned_and_never_delivered_and_its_campaign_is_known_at_once(gateway: Gateway) -> None:
    text = "Cheap watches for everyone, today only, answer this mail with your telephone number and size. " * 3
    trapped = letter("Watches", text, sender="shop@deals.test", to="trap@example.com")
    told = json.loads(
        gateway.command(
            "explain", send(gateway, trapped.as_bytes(), "trap@example.com", sender="shop@deals.test"), "--json"
        ).stdout
    )
    assert told["action"] == "trap"
    assert [copy["action"] for copy in told["recipients"]] == ["trap"]
    again = letter("Watches", text, sender="other@deals.test")
    seen = json.loads(
        gateway.command("explain", send(gateway, again.as_bytes(), sender="other@deals.test"), "--json").stdout
    )
    assert "trap.campaign" in {reason["signal"] for reason in seen["reasons"]}
    assert seen["action"] != "accept"


def test_forged_results_of_ours_are_taken_off(gateway: Gateway) -> None:
    mail = letter("Trust me")
    mail["X-Mailward-Verdict"] = "ham; p=0.0"
    mail["X-Spam-Flag"] = "NO"
    mail["Authentication-Results"] = "mx.example.com; dmarc=pass header.from=bank.example"
    reception = send(gateway, mail.as_bytes())
    with imap(gateway) as client:
        got = message_from_bytes(fetch_by_id(client, "INBOX", reception))
    assert len(got.get_all("X-Mailward-Verdict", [])) == 1
    assert len(got.get_all("Authentication-Results", [])) == 1
    assert "bank.example" not in got["Authentication-Results"]


def test_two_recipients_get_one_copy_each(gateway: Gateway) -> None:
    reception = send(gateway, letter("For both").as_bytes(), "ana@example.com", "ben@example.com", "ANA@EXAMPLE.COM")
    for user in ("ana@example.com", "ben@example.com"):
        with imap(gateway, user) as client:
            fetch_by_id(client, "INBOX", reception)


def test_unknown_recipients_and_foreign_domains_are_refused(gateway: Gateway) -> None:
    with gateway.smtp() as client:
        client.ehlo("mx.partner.example")
        client.mail("bob@partner.example")
        assert client.rcpt("nobody@example.com") == (550, b"5.1.1 no such user here")
        assert client.rcpt("ana@elsewhere.test") == (550, b"5.7.1 we do not relay for that domain")


def test_fsck_finds_nothing(gateway: Gateway) -> None:
    assert "sound" in gateway.command("fsck").stdout
