"""One mail that shows each signal, and ordinary mail that must show nothing."""

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace

from gateway.pipeline.facts import DataFacts
from gateway.reputation.facts import SenderHistory
from tests.support.facts import (
    authenticated,
    envelope,
    facts,
    html_mail,
    mail,
    with_attachment,
)
from tests.support.qrcodes import qr_png

Make = Callable[[], DataFacts]


def link(href: str, text: str = "the plan", **fields: str) -> DataFacts:
    return facts(
        html_mail(f'<p>Hello Maria, here is <a href="{href}">{text}</a> for tomorrow, as promised.</p>', **fields)
    )


def pictured(code: str) -> DataFacts:
    return facts(with_attachment("code.png", qr_png(code), "image/png"))


def text(body: str, **fields: str) -> DataFacts:
    return facts(mail(body, **fields))


def attached(name: str, content: bytes, kind: str = "application/octet-stream", body: str = "") -> DataFacts:
    octets = with_attachment(name, content, kind)
    return facts(octets.replace("See the attached file, please.", body) if body else octets)


def known(**history: float) -> DataFacts:
    return facts(mail(), history=SenderHistory(**{"seen": 1, **history}))  # type: ignore[arg-type]


def zipped(*names: str, inner: bytes = b"x", encrypted: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, inner)
    octets = bytearray(buffer.getvalue())
    if encrypted:
        at = octets.find(b"PK\x01\x02")
        struct.pack_into("<H", octets, at + 8, struct.unpack_from("<H", octets, at + 8)[0] | 1)
    return bytes(octets)


def parts(plain: str, markup: str) -> DataFacts:
    body = (
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{plain}\n--b\n"
        f"Content-Type: text/html; charset=utf-8\n\n{markup}\n--b--"
    )
    return facts(mail(body, MIME_Version="1.0", Content_Type='multipart/alternative; boundary="b"'))


def invitation(organizer: str, url: str = "", **history: int) -> DataFacts:
    lines = ["BEGIN:VCALENDAR", "METHOD:REQUEST", "BEGIN:VEVENT", f"ORGANIZER;CN=Ana:mailto:{organizer}"]
    lines += [f"DESCRIPTION:Join {url} please"] if url else []
    octets = mail("\n".join([*lines, "END:VEVENT", "END:VCALENDAR"]), MIME_Version="1.0", Content_Type="text/calendar")
    return facts(octets, history=SenderHistory(**history))  # type: ignore[arg-type]


MZ = b"MZ\x90\x00" + bytes(60)
PDF = b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj\n"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
PAGE = b"<html><body><form action='https://x.test'><input type='password'></form><script>go()</script></body></html>"
SHARED = "Hello Maria, the quarterly plan is ready and attached figures follow next week as we said in the meeting."
LONG_LOWER = "we met on monday and talked about the plan for the garden behind the house near our river bridge. " * 6
PILLS = (
    "Cheap pills without prescription delivered overnight discreet parcels worldwide order yours immediately save "
    "ninety percent everything"
)
OWN = "Maria Koch <maria@example.com>"

HITS: dict[str, Make] = {
    "url.mixed-script": lambda: link("https://pаypal-help.test/"),  # Cyrillic а
    "url.lookalike": lambda: link("https://examp1e.com/"),
    "url.brand-lookalike": lambda: link("https://paypal-verify.test/"),
    "url.confusable": lambda: link("https://аррӏе.test/"),
    "url.fake-punctuation": lambda: link("https://example.test⁄login.evil.test/".replace("⁄", "ノ")),
    "url.ip-host": lambda: link("http://198.51.100.7/plan"),
    "url.obscured-ip": lambda: link("http://3325256711/plan"),
    "url.userinfo": lambda: link("https://www.bank.example@evil.test/"),
    "url.odd-port": lambda: link("https://files.test:4433/"),
    "url.shortener": lambda: link("https://bit.ly/3abc"),
    "url.text-mismatch": lambda: link("https://evil.test/x", "https://bank.example/login"),
    "url.script": lambda: link("javascript:location='https://evil.test'"),
    "url.data": lambda: link("data:text/html;base64,PGh0bWw+"),
    "url.qr-code": lambda: pictured("https://login.parcel-fee.test/pay"),
    "url.deep-subdomain": lambda: link("https://a.b.c.d.e.f.evil.test/"),
    "url.many-domains": lambda: facts(html_mail("".join(f'<a href="https://d{i}.example/">x</a> ' for i in range(20)))),
    "url.credential-path": lambda: link("https://evil.test/secure/login.php"),
    "url.recipient-in-link": lambda: link("https://evil.test/p?u=maria@example.com"),
    "url.open-redirect": lambda: link("https://portal.test/go?url=https://evil.example/x"),
    "url.backslash": lambda: link("https:\\\\evil.test\\x"),
    "url.free-hosting": lambda: link("https://mailbox.weebly.com/login"),
    "display_name.other-address": lambda: text("Hi", From='"boss@bank.example" <x@evil.test>'),
    "display_name.protected-person": lambda: text("Hi", From="Mаria Koch <maria.koch@gmail.com>"),  # Cyrillic а
    "display_name.protected-domain": lambda: text("Hi", From="Example Support <help@evil.test>"),
    "display_name.brand": lambda: text("Hi", From="PayPaI Service <service@evil.test>"),
    "display_name.mixed-script": lambda: text("Hi", From="Аnnа Smith <anna@shop.example>"),
    "display_name.invisible": lambda: text("Hi", From="Ana\u200b Ruiz <ana@shop.example>"),
    "display_name.role-freemail": lambda: text("Hi", From="IT Support <it.help77@gmail.com>"),
    "sender.lookalike": lambda: text("Hi", From="Maria <maria@exarnple.com>"),
    "sender.brand-lookalike": lambda: text("Hi", From="Team <team@micros0ft.com>"),
    "sender.own-domain-spoofed": lambda: text("Hi", From="Boss <boss@example.com>"),
    "sender.partner-unproven": lambda: text("Hi", From="Bank <info@partner-bank.example>"),
    "sender.reply-to-freemail": lambda: text("Hi", Reply_To="ana.ruiz99@gmail.com"),
    "sender.reply-to-elsewhere": lambda: text("Hi", Reply_To="ana@other.example"),
    "sender.reply-to-lookalike": lambda: text("Hi", Reply_To="maria@exarnple.com"),
    "sender.envelope-differs": lambda: facts(mail(), envelope=envelope("bounce@mailer.test")),
    "sender.multiple-from": lambda: text("Hi", From="a@one.test, b@two.test"),
    "sender.no-from": lambda: text("Hi", From=""),
    "sender.malformed-from": lambda: text("Hi", From="Ana <ana@localhost>"),
    "sender.freemail": lambda: text("Hi", From="Ana <ana@gmail.com>"),
    "sender.to-self": lambda: text("Hi", From=OWN),
    "sender.random-address": lambda: text("Hi", From="x <xk39qw2zr71t8@shop.example>"),
    "history.first-contact": lambda: facts(mail()),
    "history.good": lambda: known(seen=30, ham=30),
    "history.bad": lambda: known(seen=10, spam=10),
    "history.reply": lambda: known(is_reply=True),
    "history.confirmed-ham": lambda: known(confirmed_ham=2.5),
    "history.confirmed-spam": lambda: known(confirmed_ham=1, confirmed_spam=2),
    "history.network-bad": lambda: known(network_ham=2, network_spam=18),
    "history.signer-bad": lambda: known(signer_spam=8),
    "header.no-date": lambda: text("Hi", Date=""),
    "header.bad-date": lambda: text("Hi", Date="yesterday"),
    "header.date-future": lambda: text("Hi", Date="Mon, 9 Mar 2026 09:00:00 +0000"),
    "header.date-past": lambda: text("Hi", Date="Mon, 5 Jan 2026 09:00:00 +0000"),
    "header.no-message-id": lambda: text("Hi", Message_ID=""),
    "header.bad-message-id": lambda: text("Hi", Message_ID="12345"),
    "header.no-recipients": lambda: text("Hi", To=""),
    "header.malformed": lambda: facts(mail().replace("Subject:", "this is no field\nSubject:")),
    "header.duplicate": lambda: facts(mail().replace("Subject:", "Subject: other\nSubject:")),
    "header.forged-received": lambda: text(
        "Hi", Received="from a.test ([192.0.2.300]) by b.test; Mon, 2 Mar 2026 08:00:00 +0000"
    ),
    "header.raw-8bit": lambda: facts(mail().encode().replace(b"Lunch tomorrow", b"Gr\xfc\xdfe")),
    "header.scripted": lambda: text("Hi", X_PHP_Script="evil.test/wp-content/x.php"),
    "header.recipient-crowd": lambda: text("Hi", To=", ".join(f"{c}@example.com" for c in "abcdefghij")),
    "header.bare": lambda: text("Hi", To="", Date="", Message_ID="", Subject=""),
    "subject.all-caps": lambda: text("Hi", Subject="ACT NOW AND WIN"),
    "subject.exclamation": lambda: text("Hi", Subject="Win now!!!"),
    "subject.spaced": lambda: text("Hi", Subject="v i a g r a today"),
    "subject.fake-reply": lambda: text("Hi", Subject="Re: your order"),
    "subject.empty": lambda: text("Hi", Subject=""),
    "subject.long": lambda: text("Hi", Subject="plan " * 50),
    "subject.mixed-script": lambda: text("Hi", Subject="Your аccount"),
    "subject.recipient": lambda: text("Hi", Subject="For maria@example.com only"),
    "subject.money": lambda: text("Hi", Subject="Save $5,000 today"),
    "subject.random-tail": lambda: text("Hi", Subject="Cheap loans            [kx83q]"),
    "body.hidden-text": lambda: facts(html_mail(f"<p>Buy now</p><div style='display:none'>{LONG_LOWER}</div>")),
    "body.image-only": lambda: facts(html_mail("<img src='https://x.test/a.png'>")),
    "body.parts-differ": lambda: parts(
        LONG_LOWER,
        f"<p>{PILLS}</p>",
    ),
    "body.empty": lambda: text("", Subject=""),
    "body.link-only": lambda: text("look https://evil.test/x"),
    "body.mixed-script": lambda: facts(html_mail("<p>Your аccount and your pаssword need саre now</p>")),
    "body.split-words": lambda: facts(html_mail("<p>ver&#8203;ify your acc&#8203;ount pass&#8203;word now</p>")),
    "body.shouting": lambda: text("BUY OUR CHEAP WATCHES TODAY BEFORE THEY ARE GONE FOREVER. " * 8),
    "body.unread": lambda: facts(html_mail("<p>Hello Maria</p>" + "<!-- padding -->" * 30_000)),
    "html.form": lambda: facts(html_mail("<form action='https://evil.test/x'><input name='a'></form>")),
    "html.script": lambda: facts(html_mail("<p>Hello</p><script>go()</script>")),
    "html.too-deep": lambda: facts(html_mail("<div>" * 400 + "x")),
    "html.refresh": lambda: facts(
        html_mail("<head><meta http-equiv='refresh' content='0;url=https://evil.test/'></head><p>Hi</p>")
    ),
    "html.no-plain-text": lambda: facts(html_mail("<p>Hello Maria</p>")),
    "html.lone-remote-image": lambda: facts(html_mail("<p>Hello</p><img src='https://track.test/a.gif'>")),
    "mime.broken": lambda: text("x", MIME_Version="1.0", Content_Type="multipart/mixed"),
    "mime.flood": lambda: facts(deep_mail(60)),
    "mime.ambiguous": lambda: facts(
        mail("x", Content_Type="text/plain").replace("Content-Type", "Content-Type: text/html\nContent-Type")
    ),
    "mime.damaged-encoding": lambda: facts(
        mail("SGV!sbG\x01 8=x=yy", MIME_Version="1.0", Content_Transfer_Encoding="base64")
    ),
    "mime.line-ends": lambda: facts(mail().replace("\n", "\r\n").replace("see you", "see\ryou")),
    "mime.nul": lambda: facts(mail("Hello\x00there")),
    "mime.no-version": lambda: text("--b\n\nx\n--b--", Content_Type='multipart/mixed; boundary="b"'),
    "mime.odd-charset": lambda: text("x", MIME_Version="1.0", Content_Type="text/plain; charset=xyzzy-9"),
    "bulk.list": lambda: text("Hi", List_Id="<gardeners.example.org>"),
    "bulk.unsubscribe": lambda: text("Hi", List_Unsubscribe="<https://shop.example/u>"),
    "bulk.one-click": lambda: facts(
        mail("Hi", List_Unsubscribe="<https://shop.example/u>", List_Unsubscribe_Post="List-Unsubscribe=One-Click"),
        auth=authenticated("shop.example"),
    ),
    "bulk.precedence": lambda: text("Hi", Precedence="bulk"),
    "bulk.automatic": lambda: text("Hi", Auto_Submitted="auto-generated"),
    "trap.recipient": lambda: facts(mail(), envelope=envelope("a@b.test", "trap@example.com", trap=True)),
    "trap.campaign": lambda: known(trap_campaign=True),
    "trap.sender": lambda: known(trap_hits=4),
    "lists.blocked": lambda: known(is_blocked=True),
    "lists.allowed": lambda: known(is_allowed=True),
    "gtube": lambda: text("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"),
    "calendar.organizer-differs": lambda: invitation("boss@bank.example"),
    "calendar.strange-link": lambda: invitation("ana@shop.example", "https://evil.test/join"),
    "lure.credentials": lambda: text(
        "Your mailbox password expires today. Please verify your account: https://evil.test/x"
    ),
    "lure.parcel": lambda: text("Your parcel could not be delivered. Pay the customs fee here: https://evil.test/x"),
    "lure.gift-cards": lambda: text(
        "I need you to purchase some gift cards for clients. Scratch them and send me the codes."
    ),
    "lure.payment-change": lambda: text(
        "We have changed banks. Please use our new bank details below and send the payment today."
    ),
    "lure.payroll": lambda: text("I would like to change my bank account for payroll before the next run."),
    "lure.errand": lambda: text(
        "Are you available? I am in a meeting and need a quick favour. Reply here.", From="Boss <b@gmail.com>"
    ),
    "lure.extortion": lambda: text(
        "I recorded you with your webcam. Send $950 in bitcoin to my wallet or everyone sees the video."
    ),
    "lure.advance-fee": lambda: text(
        "I have 15.5 million dollars from my late client. Reply to me with your full name, strictly confidential."
    ),
    "lure.callback": lambda: text(
        "Your subscription has been renewed and $399.99 was charged. To cancel call +1 (888) 555-0142 now."
    ),
    "lure.shared-file": lambda: text(
        "A colleague shared a document with you. Open the document here: https://evil.test/x"
    ),
    "lure.prize": lambda: text(
        "Congratulations, you have been selected as our winner! Claim your prize here: https://evil.test/x"
    ),
    "attachment.executable": lambda: attached("tool.bin", MZ),
    "attachment.script": lambda: attached("invoice.js", b"var a = 1;"),
    "attachment.double-extension": lambda: attached("invoice.pdf.exe", MZ),
    "attachment.direction-mark": lambda: facts(
        with_attachment("placeholder", MZ).replace('filename="placeholder"', "filename*=utf-8''inv%E2%80%AEfdp.exe")
    ),
    "attachment.macro": lambda: attached(
        "list.docx", zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin")
    ),
    "attachment.active-content": lambda: attached("bill.pdf", PDF + b"2 0 obj <</S /Launch /F (cmd.exe)>> endobj"),
    "attachment.encrypted": lambda: attached("bill.zip", zipped("bill.pdf", encrypted=True)),
    "attachment.password-in-text": lambda: attached(
        "bill.zip", zipped("bill.pdf", encrypted=True), body="Password: 4711x"
    ),
    "attachment.executable-in-archive": lambda: attached("bill.zip", zipped("bill.exe")),
    "attachment.bomb": lambda: attached("bill.zip", zipped("a.txt", inner=bytes(30_000_000))),
    "attachment.nested-archive": lambda: attached("bill.zip", zipped("more.rar")),
    "attachment.html": lambda: attached("invoice.html", PAGE, "text/html"),
    "attachment.disk-image": lambda: attached("invoice.img", b"x" * 100),
    "attachment.shortcut": lambda: attached("invoice.lnk", b"\x4c\x00\x00\x00\x01\x14\x02\x00" + bytes(60)),
    "attachment.type-mismatch": lambda: attached("invoice.pdf", b"PK\x03\x04" + bytes(40)),
    "attachment.onenote": lambda: attached(
        "notes.one", b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"
    ),
}


def deep_mail(levels: int) -> str:
    body = "".join(f'--b{i}\nContent-Type: multipart/mixed; boundary="b{i + 1}"\n\n' for i in range(levels))
    return mail(body + f"--b{levels}\n\nx\n", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b0"')


#: Facts that must show nothing at all beyond what says "an unknown sender without authentication".
ORDINARY: dict[str, Make] = {
    "a plain mail": lambda: text(SHARED),
    "a japanese mail": lambda: text(
        "山田様、明日の会議の資料をお送りします。よろしくお願いいたします。https://例え.jp/資料", Subject="会議の資料"
    ),
    "a russian mail": lambda: text(
        "Здравствуйте, Мария! Документы отправлю завтра утром. Спасибо.", Subject="Документы"
    ),
    "a greek mail": lambda: text("Καλημέρα Μαρία, σου στέλνω αύριο τα χαρτιά. Ευχαριστώ πολύ.", Subject="Χαρτιά"),
    "a proven mail": lambda: replace(text(SHARED), auth=authenticated("shop.example")),
}
