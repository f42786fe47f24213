"""Honest mail of many kinds as it is written today: none of it may show anything suspicious."""

from dataclasses import replace

from gateway.envelope import Envelope
from gateway.mailauth.results import AuthResults, DkimResult, DmarcResult, IprevResult, SpfResult
from gateway.pipeline.facts import DataFacts
from gateway.reputation.facts import SenderHistory
from tests.gateway.checks.golden import SHARED, Make, attached, parts, zipped
from tests.support.facts import authenticated, envelope, facts, html_mail, mail, with_attachment

SIGNATURE = "\n\nBest regards\nAna Ruiz\nHead of Gardens, Shop Ltd\n+44 20 7946 0018\nhttps://www.shop.example/"
PAGE = (
    "<!doctype html><html><head><meta charset='utf-8'><style>p{color:#333}</style></head><body>"
    "<div style='display:none;max-height:0'>What is new in March</div><table><tr><td>"
    "<img src='https://img.shop.example/logo.png' width='120' height='40' alt='Shop'>"
    "<h1>Spring is here</h1><p>Dear Maria, our new seeds have arrived and are waiting for you in every shop.</p>"
    "<p><a href='https://click.shop.example/c/4711?to=seeds'>See the seeds</a> "
    "<a href='https://www.shop.example/blog'>Read the blog</a></p>"
    "<p style='font-size:11px'><a href='https://shop.example/u/4711'>Unsubscribe</a></p></td></tr></table></body></html>"
)
OFFICE = zipped("[Content_Types].xml", "word/document.xml", "word/_rels/document.xml.rels", inner=b"<w/>")
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(200)


def proven(octets: str, domain: str = "shop.example", sent: Envelope | None = None) -> DataFacts:
    auth = replace(
        authenticated(domain),
        spf_helo=SpfResult("pass", f"mx.{domain}", "helo"),
        iprev=IprevResult("pass", f"mx.{domain}"),
    )
    return facts(octets, auth=auth, envelope=sent or envelope(f"bounce@{domain}"), history=SenderHistory(seen=1))


def by_service(octets: str) -> DataFacts:
    """Sent by a mailing service in its customer's name, signed by both."""
    auth = AuthResults(
        spf_mailfrom=SpfResult("pass", "mailer.test"),
        dkim=(DkimResult("pass", "shop.example", "s", "rsa-sha256", 2048), DkimResult("pass", "mailer.test", "m")),
        dmarc=DmarcResult("pass", "reject", "none", "shop.example", "shop.example", "shop.example", False, True),
        iprev=IprevResult("pass", "o17.out.mailer.test"),
    )
    return facts(octets, auth=auth, envelope=envelope("b-4711@mailer.test"), history=SenderHistory(seen=1))


MODERN: dict[str, Make] = {
    "a newsletter": lambda: by_service(
        html_mail(PAGE, List_Unsubscribe="<https://shop.example/u/4711>", Subject="Spring is here")
    ),
    "an order confirmation": lambda: proven(
        mail(
            "Dear Maria, thank you for order 4711. It leaves us tomorrow: https://shop.example/orders/4711" + SIGNATURE
        )
    ),
    "a reply with a quotation": lambda: proven(
        mail(
            "Yes, that suits me.\n\nOn Mon, 2 Mar 2026, Maria Koch wrote:\n> Shall we meet at noon?\n",
            Subject="Re: Lunch tomorrow",
            In_Reply_To="<7@example.com>",
            References="<7@example.com>",
        )
    ),
    "a forwarded mail": lambda: proven(
        mail(
            "FYI\n\n---------- Forwarded message ---------\nFrom: Ben <ben@club.test>\n\n" + SHARED, Subject="Fwd: Plan"
        )
    ),
    "a mail through a list": lambda: proven(
        mail(
            SHARED,
            From="Ana Ruiz via Gardeners <gardeners@lists.garden.example>",
            To="gardeners@lists.garden.example",
            Reply_To="Ana Ruiz <ana@shop.example>",
            List_Id="<gardeners.lists.garden.example>",
            List_Post="<mailto:gardeners@lists.garden.example>",
            Message_ID="<77@mail.shop.example>",
            Subject="[gardeners] Frost next week",
        ),
        "lists.garden.example",
    ),
    "a password reset": lambda: proven(
        mail(
            "Somebody asked for a new password. If it was you: https://shop.example/reset/abc123",
            Subject="New password",
        )
    ),
    "a login code": lambda: proven(
        mail("Your code is 482913. It is valid for ten minutes.", Subject="482913 is your code")
    ),
    "an invitation": lambda: proven(
        mail(
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nORGANIZER;CN=Ana:mailto:ana@shop.example\n"
            "SUMMARY:Plan\nEND:VEVENT\nEND:VCALENDAR",
            MIME_Version="1.0",
            Content_Type="text/calendar; method=REQUEST; charset=utf-8",
        )
    ),
    "an invoice as PDF": lambda: replace(
        attached("Invoice 2026-041.pdf", b"%PDF-1.7\n/URI (https://www.shop.example/pay/41)\n", "application/pdf"),
        auth=authenticated("shop.example"),
        history=SenderHistory(seen=4),
    ),
    "a Word document": lambda: proven(with_attachment("Agreement.docx", OFFICE)),
    "photographs": lambda: proven(with_attachment("IMG_4711.jpg", JPEG, "image/jpeg")),
    "both alternatives": lambda: replace(parts(SHARED, f"<p>{SHARED}</p>"), auth=authenticated("shop.example")),
    "a signed PGP mail": lambda: proven(
        mail(
            f"--b\nContent-Type: text/plain; charset=utf-8\n\n{SHARED}\n--b\n"
            "Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN PGP SIGNATURE-----\nabc\n--b--",
            MIME_Version="1.0",
            Content_Type='multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha512; boundary="b"',
        )
    ),
    "a mail with umlauts": lambda: proven(
        mail(
            "Gr=C3=BC=C3=9Fe aus K=C3=B6ln, der Plan f=C3=BCr M=C3=A4rz ist fertig und liegt im B=C3=BCro.",
            Subject="=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=",
            From="=?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <jm@shop.example>",
            MIME_Version="1.0",
            Content_Type="text/plain; charset=utf-8",
            Content_Transfer_Encoding="quoted-printable",
        )
    ),
    "a mail from a phone": lambda: proven(
        mail(
            "On my way.\n\nSent from my iPhone",
            X_Mailer="iPhone Mail (22E240)",
            MIME_Version="1.0 (1.0)",
            Content_Type="text/plain; charset=us-ascii",
            Content_Transfer_Encoding="7bit",
            Received="from [10.0.0.4] (client.shop.example [203.0.113.4]) by mx.shop.example; "
            "Mon, 2 Mar 2026 08:59:10 +0000",
        )
    ),
    "a monitor's alert": lambda: proven(
        mail("Disk /var on db1 is 91% full.", Subject="[ALERT] db1 disk", Auto_Submitted="auto-generated")
    ),
    "a code review": lambda: proven(
        mail(
            "@ana commented on this pull request.\n\n> for (i = 0; i < n; i++)\n\nPlease use a range here.\n"
            "https://git.shop.example/garden/pull/12#note-4",
            Subject="Re: [garden/site] Faster search (#12)",
            In_Reply_To="<garden/site/pull/12@git.shop.example>",
            References="<garden/site/pull/12@git.shop.example>",
            Precedence="list",
            List_Id="garden/site <site.garden.git.shop.example>",
        )
    ),
    "a video call": lambda: proven(
        mail("Join us at ten: https://shop.zoom.us/j/81234567890?pwd=abc. Bring the plan, please.")
    ),
    "a delivery report": lambda: facts(
        mail(
            "--b\nContent-Type: text/plain\n\nYour mail could not be delivered to everybody it was for.\n--b\n"
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.shop.example\n\n"
            "Final-Recipient: rfc822; x@shop.example\nAction: failed\nStatus: 5.1.1\n\n--b\n"
            "Content-Type: text/rfc822-headers\n\nFrom: maria@example.com\nMessage-ID: <9@example.com>\n\n--b--",
            From="Mail Delivery System <MAILER-DAEMON@mx.shop.example>",
            Subject="Undelivered Mail Returned to Sender",
            Auto_Submitted="auto-replied",
            MIME_Version="1.0",
            Content_Type='multipart/report; report-type=delivery-status; boundary="b"',
        ),
        envelope=envelope(None),
    ),
    "an answer from holidays": lambda: facts(
        mail(
            "I am away until 9 March. In urgent cases please write to ben@shop.example, who has the keys.",
            Subject="Automatic reply: Lunch tomorrow",
            Auto_Submitted="auto-replied",
            In_Reply_To="<7@example.com>",
        ),
        envelope=envelope(None),
    ),
    "a scanner's mail": lambda: proven(
        with_attachment("Scan_20260302.pdf", b"%PDF-1.4\n", "application/pdf", Subject="Message from KM_C258")
    ),
    "a survey": lambda: proven(
        html_mail(
            "<p>Dear Maria, how was your visit to our shop on Friday? It takes a minute and helps us.</p>"
            "<p><a href='https://shop.example/s/1'>Start</a></p>"
        )
    ),
}

#: What honest mail of these kinds shows, and rightly: that it is bulk, automatic, HTML only, or about our own mail.
NEUTRAL = frozenset(
    {
        *("history.first-contact", "bulk.unsubscribe", "bulk.automatic", "bulk.list", "bulk.precedence"),
        *("html.no-plain-text", "bounce.ours"),
    }
)
