"""People's mail programs send through a real server to a real next host: whoever is told 250 can rely on it."""

import json
import smtplib
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from imapclient import IMAPClient

from gateway.mailauth.sign import load_signer
from tests.support import gateway as running
from tests.support.gateway import PASSWORD, Gateway, program
from tests.support.next_hop import NextHop, next_hop

CONFIG = """
[server]
hostname = "mx.example.com"
data = "data"
workers = 1

[listen]
smtp = ["127.0.0.1:0"]
submission = ["127.0.0.1:0"]
submissions = ["127.0.0.1:0"]
imap = ["127.0.0.1:0"]
http = ["127.0.0.1:0"]

[tls]
certificate = "{certificate}"
key = "{key}"

[domain."example.com"]
return_path = "sign"
dkim = [{{ selector = "r1", key = "rsa.pem" }}, {{ selector = "e1", key = "ed.pem" }}]

[domain."strict.example"]
return_path = "strict"

[domain."plain.example"]

[outbound]
relay = "{relay}"
relay_s = 10
suspend_after = 3

[[dlp]]
name = "cards"
find = "card"
then = "refuse"

[[dlp]]
name = "accounts"
find = "iban"
at_least = 2
then = "hold"

[[dlp]]
name = "marks"
words = ["strictly confidential"]
then = "hold"
internal = true

[smtp]
xclient_from = ["127.0.0.1"]

[dns]
servers = ["{dns}"]
timeout_s = 2.0
"""


@pytest.fixture(scope="module")
def hop() -> Iterator[NextHop]:
    with next_hop() as built:
        yield built


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    if "hop" in request.fixturenames:
        request.getfixturevalue("hop").reset()


def write_keys(folder: Path) -> None:
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "rsa.pem").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*form))
    (folder / "ed.pem").write_bytes(ed25519.Ed25519PrivateKey.generate().private_bytes(*form))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, dns: str, hop: NextHop) -> Iterator[Gateway]:
    import trustme

    folder = tmp_path_factory.mktemp("submission")
    certificate = trustme.CA().issue_cert("mx.example.com", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "tls.key")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "tls.pem", append=bool(number))
    write_keys(folder)
    (folder / "mailward.toml").write_text(
        CONFIG.format(certificate="tls.pem", key="tls.key", relay=hop.address, dns=dns)
    )
    started = running.start(folder, folder / "mailward.toml")
    try:
        for address in ("ana@example.com", "ben@example.com", "eve@example.com", "carl@example.com"):
            started.add_user(address, *(["--alias", "ana.ruiz@example.com"] if address.startswith("ana@") else []))
        started.add_user("sam@strict.example")
        started.add_user("admin@example.com", "--admin")
        yield started
        assert started.failures() == []
    finally:
        running.stop(started)


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def signed_in(gateway: Gateway, user: str = "ana@example.com", *, ip: str = "") -> smtplib.SMTP:
    client = smtplib.SMTP(*gateway.listen["submission"], timeout=30)
    client.ehlo("laptop.lan")
    if ip:
        client.docmd("XCLIENT", f"ADDR={ip} HELO=laptop.lan")
        client.ehlo("laptop.lan")
    client.starttls(context=unchecked())
    client.login(user, PASSWORD)
    return client


def letter(
    *to: str, author: str = "ana@example.com", subject: str = "Lunch on Friday", text: str = "", **fields: str
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = author
    mail["To"] = ", ".join(to)
    mail["Subject"] = subject
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text or "Hello, shall we have lunch on Friday at the usual place? Ana\n")
    return mail


def send(client: smtplib.SMTP, mail: EmailMessage, *to: str, sender: str = "ana@example.com") -> tuple[int, str]:
    """The reply behind the last dot, or of the first command that was refused."""
    for command in (lambda: client.mail(sender), *(lambda address=address: client.rcpt(address) for address in to)):
        code, text = command()
        if code != 250:
            client.rset()
            return code, text.decode()
    code, text = client.data(mail.as_bytes(policy=SMTP))
    return code, text.decode()


def inbox(gateway: Gateway, user: str, subject: str) -> list[bytes]:
    client = IMAPClient(*gateway.listen["imap"], ssl=False, timeout=30)
    client.starttls(unchecked())
    client.login(user, PASSWORD)
    client.select_folder("INBOX")
    found = client.search(["SUBJECT", subject])
    octets = [row[b"BODY[]"] for row in client.fetch(found, ["BODY.PEEK[]"]).values()] if found else []
    client.logout()
    return octets


def held(gateway: Gateway) -> list[dict[str, object]]:
    listed = gateway.command("quarantine", "list", "--json").stdout.splitlines()
    return [json.loads(line) for line in listed]


def test_nothing_is_taken_from_anybody_who_has_not_signed_in(gateway: Gateway) -> None:
    client = smtplib.SMTP(*gateway.listen["submission"], timeout=30)
    client.ehlo("laptop.lan")
    assert not client.has_extn("auth"), "no password in clear"
    assert client.docmd("AUTH", "PLAIN AGFuYQBh")[0] == 538
    assert client.mail("ana@example.com")[0] == 530
    client.starttls(context=unchecked())
    client.ehlo("laptop.lan")
    assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
    assert client.mail("ana@example.com")[0] == 530
    assert client.rcpt("ben@example.com")[0] == 503


@pytest.mark.parametrize("method", ["auth_plain", "auth_login"])
def test_both_ways_to_sign_in_and_tls_from_the_first_octet(gateway: Gateway, method: str, hop: NextHop) -> None:
    client = smtplib.SMTP_SSL(*gateway.listen["submissions"], timeout=30, context=unchecked())
    client.ehlo("laptop.lan")
    assert not client.has_extn("starttls")
    client.user, client.password = "ANA.ruiz@example.com", PASSWORD
    assert client.auth(method[5:].upper(), getattr(client, method))[0] == 235
    assert client.docmd("AUTH", "PLAIN AGFuYQBh")[0] == 503
    assert send(client, letter("x@far.example"), "x@far.example")[0] == 250
    received = message_from_bytes(hop.mails[0].octets)["Received"]
    assert received.startswith("from client.invalid by mx.example.com with ESMTPSA (TLSv1.")
    assert "127.0.0.1" not in received and "laptop" not in received


def test_a_wrong_password_is_535_and_the_third_ends_the_connection(gateway: Gateway) -> None:
    client = smtplib.SMTP(*gateway.listen["submission"], timeout=30)
    client.starttls(context=unchecked())
    client.ehlo("laptop.lan")
    for _ in range(3):
        with pytest.raises(smtplib.SMTPAuthenticationError) as error:
            client.user, client.password = "ana@example.com", "guess"
            client.auth("PLAIN", client.auth_plain)
        assert error.value.smtp_code == 535
    assert client.getreply()[0] == 421


@pytest.mark.parametrize(
    ("sender", "author", "code"),
    [
        pytest.param("ana@example.com", "ana@example.com", 250, id="own"),
        pytest.param("ana.ruiz@example.com", "Ana <ana+shop@example.com>", 250, id="alias-and-detail"),
        pytest.param("", "ana@example.com", 250, id="receipt"),
        pytest.param("ben@example.com", "ana@example.com", 550, id="somebody-else"),
        pytest.param("ana@example.com", "ben@example.com", 550, id="somebody-else-as-author"),
        pytest.param("ana@example.com", "ceo@bank.example", 550, id="another-domain-as-author"),
        pytest.param("ana@bank.example", "ana@example.com", 550, id="another-domain"),
        pytest.param("ana@example.com", "ana@example.com, ben@example.com", 550, id="one-author-too-many"),
    ],
)
def test_the_sender_has_to_be_the_accounts_own(gateway: Gateway, sender: str, author: str, code: int) -> None:
    with signed_in(gateway) as client:
        got, text = send(client, letter("ben@example.com", author=author), "ben@example.com", sender=sender)
    assert got == code, text
    assert code == 250 or "not one of yours" in text


def test_what_a_program_forgot_is_added_and_hidden_readers_stay_hidden(gateway: Gateway, hop: NextHop) -> None:
    mail = letter("x@far.example", "ben@example.com", subject="Forgetful", Bcc="y@far.example")
    with signed_in(gateway) as client:
        assert send(client, mail, "x@far.example", "y@far.example", "ben@example.com")[0] == 250
    (taken,) = hop.mails
    assert taken.recipients == ["x@far.example", "y@far.example"]
    (local,) = inbox(gateway, "ben@example.com", "Forgetful")
    for octets in (taken.octets, local):
        seen = message_from_bytes(octets)
        assert seen["Date"] and seen["Message-ID"].endswith("@example.com>") and seen["Bcc"] is None
        assert seen.get_payload() == mail.get_payload().replace("\n", "\r\n")
    assert message_from_bytes(local)["Authentication-Results"] == "mx.example.com; auth=pass smtp.auth=ana@example.com"
    assert "X-Mailward-Verdict" not in message_from_bytes(taken.octets)


def test_both_signatures_hold_for_dkimpy(gateway: Gateway, hop: NextHop) -> None:
    with signed_in(gateway) as client:
        assert send(client, letter("x@far.example"), "x@far.example")[0] == 250
    records = {
        f"{name}._domainkey.example.com.": load_signer((gateway.folder / file).read_bytes(), "example.com", name).record
        for name, file in (("r1", "rsa.pem"), ("e1", "ed.pem"))
    }
    octets = hop.mails[0].octets
    checked = dkim.DKIM(octets)
    found = [checked.verify(at, lambda name, timeout=5: records[name.decode()].encode()) for at in (0, 1)]
    assert found == [True, True]
    forged = octets.replace(b"\r\nFrom:", b"\r\nFrom: eve@evil.test\r\nFrom:", 1)
    assert not dkim.verify(forged, dnsfunc=lambda name, timeout=5: records[name.decode()].encode())


@pytest.mark.parametrize(
    ("behaviour", "code", "said"),
    [
        pytest.param({"at_mail": "451 4.3.0 busy"}, 451, "busy", id="4xx-at-mail"),
        pytest.param({"at_mail": "550 5.7.1 go away"}, 550, "go away", id="5xx-at-mail"),
        pytest.param({"at_rcpt": {"*": "550 5.1.1 nobody here"}}, 550, "x@far.example (550", id="5xx-at-rcpt"),
        pytest.param({"at_rcpt": {"y@far.example": "550 nobody"}}, 550, "nobody got it", id="one-of-two-refused"),
        pytest.param(
            {"at_rcpt": {"x@far.example": "450 later", "y@far.example": "550 nobody"}}, 451, "450 later", id="mixed"
        ),
        pytest.param({"at_data": "451 4.3.0 disk full"}, 451, "disk full", id="4xx-at-data"),
        pytest.param({"at_data": "554 5.7.1 spam"}, 550, "spam", id="5xx-at-data"),
        pytest.param({"hangs_up": True}, 451, "send again later", id="hangs-up"),
    ],
)
def test_the_relays_answer_is_ours_and_nobody_here_gets_what_it_did_not_take(
    gateway: Gateway, hop: NextHop, behaviour: dict[str, object], code: int, said: str, request: pytest.FixtureRequest
) -> None:
    for name, value in behaviour.items():
        setattr(hop, name, value)
    subject = f"Behaviour {request.node.callspec.id}"
    to = ("x@far.example", "y@far.example", "ben@example.com")
    with signed_in(gateway) as client:
        got, text = send(client, letter(*to, subject=subject), *to)
        assert (got, said in text) == (code, True), text
        assert hop.mails == [] and inbox(gateway, "ben@example.com", subject) == []
        hop.reset()
        hop.at_rcpt.clear()
        assert send(client, letter(*to, subject=subject), *to)[0] == 250, "it came again, to a host that is well"
    assert [mail.recipients for mail in hop.mails] == [["x@far.example", "y@far.example"]]
    assert len(inbox(gateway, "ben@example.com", subject)) == 1


def test_a_slow_relay_is_waited_for_and_given_up(gateway: Gateway, hop: NextHop) -> None:
    hop.waits = threading.Event()
    with signed_in(gateway) as client, signed_in(gateway, "ben@example.com") as other:
        started = time.monotonic()
        answers: list[tuple[int, str]] = []
        waiting = threading.Thread(
            target=lambda: answers.append(send(client, letter("x@far.example"), "x@far.example"))
        )
        waiting.start()
        inside = letter("ana@example.com", author="ben@example.com", subject="Meanwhile")
        assert send(other, inside, "ana@example.com", sender="ben@example.com")[0] == 250
        assert waiting.is_alive(), "others do not wait"
        waiting.join(30)
    hop.waits.set()
    assert answers[0][0] == 451 and "did not answer within 10 seconds" in answers[0][1]
    assert time.monotonic() - started < 25


def test_a_domain_without_way_out_says_what_to_configure(tmp_path: Path, dns: str) -> None:
    more = "[outbound]\nper_hour = 3\n"
    with running.serving(tmp_path, dns, more=more) as small:
        config = small.config.read_text().replace("[listen]", '[listen]\nsubmission = ["127.0.0.1:0"]')
        running.stop(small)
        small.config.write_text(config)
        again = running.start(tmp_path, small.config)
        try:
            again.add_user("ana@example.com")
            client = smtplib.SMTP(*again.listen["submission"], timeout=30)
            client.login("ana@example.com", PASSWORD)  # plaintext_on_loopback, as for IMAP
            assert send(client, letter("x@far.example"), "x@far.example") == (
                550,
                "5.7.1 mail to other domains cannot be sent from here; the administrator can set outbound.relay",
            )
            codes = [send(client, letter("ana@example.com"), "ana@example.com")[0] for _ in range(4)]
            assert codes == [250, 250, 250, 451], "three an hour"
            client.quit()
        finally:
            running.stop(again)


CARD = "Please charge 4111 1111 1111 1111, valid until May."
TWO = "Pay half to DE89 3704 0044 0532 0130 00 and half to GB82 WEST 1234 5698 7654 32."


@pytest.mark.parametrize(
    ("text", "to", "code", "said"),
    [
        pytest.param(CARD, "x@far.example", 550, "may not leave: cards (1)", id="card"),
        pytest.param(CARD.replace("1111,", "1112,"), "x@far.example", 250, "accepted", id="no-card"),
        pytest.param(CARD, "ben@example.com", 250, "accepted", id="card-inside"),
        pytest.param(TWO, "x@far.example", 250, "may not leave unseen: accounts (2)", id="two-accounts"),
        pytest.param(TWO[:45], "x@far.example", 250, "accepted", id="one-account"),
        pytest.param("This is STRICTLY\tconfidential.", "ben@example.com", 250, "unseen: marks (1)", id="mark-inside"),
        pytest.param("Strictly speaking, confidential.", "x@far.example", 250, "accepted", id="no-mark"),
    ],
)
def test_what_may_not_leave(gateway: Gateway, hop: NextHop, text: str, to: str, code: int, said: str) -> None:
    with signed_in(gateway, "carl@example.com") as client:
        mail = letter(to, author="carl@example.com", subject="Details", text=f"Dear all,\n\n{text}\n\nRegards, Carl\n")
        got, told = send(client, mail, to, sender="carl@example.com")
    assert (got, said in told) == (code, True), told
    assert bool(hop.mails) == ("accepted" in told and to == "x@far.example")
    if "unseen" in told:
        (row,) = [each for each in held(gateway) if each["id"] in told]
        assert row["direction"] == "out" and row["category"] == "policy"
        done = gateway.command("quarantine", "release", str(row["id"]))
        assert to in done.stdout


def test_what_is_released_leaves_signed_and_with_a_signed_return_path(gateway: Gateway, hop: NextHop) -> None:
    with signed_in(gateway, "carl@example.com") as client:
        mail = letter("x@far.example", author="carl@example.com", text=f"{TWO}\n")
        code, told = send(client, mail, "x@far.example", sender="carl@example.com")
    assert code == 250 and "held" in told and hop.mails == []
    reception = told.rpartition("(")[2].rstrip(")")
    gateway.command("quarantine", "release", reception)
    until = time.monotonic() + 30
    while not hop.mails:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert hop.mails[0].mail_from.startswith("prvs=") and b"DKIM-Signature" in hop.mails[0].octets


def report(to: str, original: bytes) -> bytes:
    return (
        b"From: MAILER-DAEMON@far.example\r\nTo: %b\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        b"Date: Mon, 2 Mar 2026 09:00:00 +0000\r\nMessage-ID: <1@far.example>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nYour mail could not be delivered.\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\n\r\n"
        b"Final-Recipient: rfc822; x@far.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n"
        b"Content-Type: text/rfc822-headers\r\n\r\n%b\r\n--b--\r\n" % (to.encode(), original.partition(b"\r\n\r\n")[0])
    )


def come_back(gateway: Gateway, to: str, octets: bytes) -> tuple[int, str]:
    with gateway.smtp() as client:
        client.ehlo("mx.partner.example")
        return send(client, message_from_bytes(octets), to, sender="")  # type: ignore[arg-type]


def signals(gateway: Gateway, told: str) -> set[str]:
    reception = told.rstrip(")").replace("(", " ").split()[-1]
    explained = json.loads(gateway.command("explain", reception, "--json").stdout)
    return {reason["signal"] for reason in explained["reasons"]}


def test_a_report_finds_home_by_the_path_it_left_on_and_no_other(gateway: Gateway, hop: NextHop) -> None:
    with signed_in(gateway) as client:
        assert send(client, letter("x@far.example", subject="Goes wrong"), "x@far.example")[0] == 250
    path = hop.mails[0].mail_from
    assert path.startswith("prvs=") and path.endswith("=ana@example.com")
    code, told = come_back(gateway, path, report(path, hop.mails[0].octets))
    assert code == 250 and "bounce.signed" in signals(gateway, told)
    assert len(inbox(gateway, "ana@example.com", "Undelivered")) == 1, "a mark is no part of the address"

    for wrong in ("ana@example.com", path.replace("=ana", "=ben"), path[:9] + "000000" + path[15:]):
        code, told = come_back(gateway, wrong, report(wrong, hop.mails[0].octets))
        assert code == 250 and "bounce.unsigned" in signals(gateway, told), wrong
        assert "bounce.signed" not in signals(gateway, told)


def test_a_domain_may_refuse_reports_to_addresses_that_it_did_not_sign(gateway: Gateway, hop: NextHop) -> None:
    code, told = come_back(gateway, "sam@strict.example", report("sam@strict.example", b"Subject: x"))
    assert code == 550 and "bounce.forbidden" in signals(gateway, told)
    receipt = report("sam@strict.example", b"Subject: x").replace(b"delivery-status;", b"disposition-notification;")
    assert come_back(gateway, "sam@strict.example", receipt)[0] == 250
    with signed_in(gateway, "sam@strict.example") as client:
        mail = letter("x@far.example", author="sam@strict.example")
        assert send(client, mail, "x@far.example", sender="sam@strict.example")[0] == 250
    path = hop.mails[0].mail_from
    assert come_back(gateway, path, report(path, hop.mails[0].octets))[0] == 250


def test_an_answer_to_a_submitted_mail_is_known_without_a_copy_in_sent(gateway: Gateway, hop: NextHop) -> None:
    with signed_in(gateway) as client:
        mail = letter("bob@partner.example", subject="Offer", Message_ID="<offer-1@example.com>")
        assert send(client, mail, "bob@partner.example")[0] == 250
    answer = letter(
        "ana@example.com", author="bob@partner.example", subject="Re: Offer", In_Reply_To="<offer-1@example.com>",
        Message_ID="<answer-1@partner.example>",
    )  # fmt: skip
    with gateway.smtp() as client:
        client.ehlo("proxy.example")
        client.docmd("XCLIENT", "ADDR=198.51.100.25 HELO=mx.partner.example")
        client.ehlo("mx.partner.example")
        code, told = send(client, answer, "ana@example.com", sender="bob@partner.example")
    assert code == 250 and "history.reply" in signals(gateway, told)


LURE = (
    "Congratulations! You have WON 5,000,000 dollars in the international lottery. To claim your prize money send your "
    "bank account, full name and password today to our agent: http://203.0.113.9/claim/prize.php?id=1 . Viagra and "
    "cialis at 80 percent off, cheap pills without prescription, act now, limited time offer, 100% free, no risk! "
    "Click here to verify your account or it will be suspended within 24 hours: http://paypa1-secure.test/login\n"
)


def test_a_stolen_password_is_stopped_and_an_administrator_lifts_it(gateway: Gateway, hop: NextHop) -> None:
    told: list[tuple[int, str]] = []
    for number in range(6):
        with signed_in(gateway, "eve@example.com", ip=f"203.0.{number}.7") as client:
            to = [f"victim{number}-{each}@far.example" for each in range(30)]
            mail = letter(to[0], author="eve@example.com", subject="YOU WON!!! Claim now", text=LURE)
            told.append(send(client, mail, *to, sender="eve@example.com"))
    assert told[-1][0] == 550 and "suspended" in told[-1][1], told
    assert hop.mails == [], "nothing of it left"
    listed = json.loads(gateway.command("submission", "list", "--json").stdout)
    assert listed["address"] == "eve@example.com" and listed["by"] == "mailward"
    audit = gateway.command("audit", "list").stdout
    assert "submission.suspend" in audit
    assert "eve@example.com" in gateway.command("submission", "lift", "eve@example.com").stdout
    assert gateway.command("submission", "list", "--json").stdout == ""
    assert gateway.command("submission", "lift", "eve@example.com", check=False).returncode == 1
    with signed_in(gateway, "eve@example.com") as client:
        mail = letter("x@far.example", author="eve@example.com", subject="Sorry about that")
        assert send(client, mail, "x@far.example", sender="eve@example.com")[0] == 250
    gateway.command("submission", "suspend", "ben@example.com", "--because", "left the company")
    with signed_in(gateway, "ben@example.com") as client:
        assert client.mail("ben@example.com")[0] == 550
    gateway.command("submission", "lift", "ben@example.com")


@pytest.mark.interop
def test_swaks_signs_in_and_sends(gateway: Gateway, hop: NextHop) -> None:
    host, port = gateway.listen["submission"]
    done = subprocess.run(
        [program("swaks"), "--server", f"{host}:{port}", "--tls", "--auth", "LOGIN", "--auth-user", "ana@example.com",
         "--auth-password", PASSWORD, "--from", "ana@example.com", "--to", "x@far.example",
         "--header", "Subject: From swaks", "--body", "Hello, see you tomorrow at the station."],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "250 2.0.0 accepted" in done.stdout and len(hop.mails) == 1


def test_the_store_is_whole_after_all_of_it(gateway: Gateway) -> None:
    assert gateway.command("fsck").returncode == 0
