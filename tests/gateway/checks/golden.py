"""One mail that shows each signal, and one that nearly does: the near miss is what honest people write."""

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

Make = Callable[[], DataFacts]


def link(href: str, text: str = "the plan", **fields: str) -> DataFacts:
    return facts(
        html_mail(f'<p>Hello Maria, here is <a href="{href}">{text}</a> for tomorrow, as promised.</p>', **fields)
    )


def text(body: str, **fields: str) -> DataFacts:
    return facts(mail(body, **fields))


def attached(name: str, content: bytes, kind: str = "application/octet-stream", body: str = "") -> DataFacts:
    octets = with_attachment(name, content, kind)
    return facts(octets.replace("See the attached file, please.", body) if body else octets)


def known(**history: int | bool) -> DataFacts:
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


MISSES: dict[str, Make] = {
    "url.mixed-script": lambda: link("https://例えabcカード.jp/"),
    "url.lookalike": lambda: link("https://mail.example.com/"),
    "url.brand-lookalike": lambda: link("https://www.paypal.com/signin"),
    "url.confusable": lambda: link("https://президент.рф/"),
    "url.fake-punctuation": lambda: link("https://ドメイン.jp/"),
    "url.ip-host": lambda: link("https://1.example/"),
    "url.obscured-ip": lambda: link("http://198.51.100.7/plan"),
    "url.userinfo": lambda: link("https://shop.example/@ana"),
    "url.odd-port": lambda: link("https://files.test:443/"),
    "url.shortener": lambda: link("https://habit.ly/3abc"),
    "url.text-mismatch": lambda: link("https://click.bank.example/x", "www.bank.example"),
    "url.script": lambda: link("javascript:void(0)"),
    "url.data": lambda: link("data:image/png;base64,AAAA"),
    "url.deep-subdomain": lambda: link("https://a.b.c.shop.example/"),
    "url.many-domains": lambda: facts(
        html_mail("".join(f'<a href="https://d{i}.shop.example/">x</a> ' for i in range(20)))
    ),
    "url.credential-path": lambda: link("https://my.shop.example/login"),
    "url.recipient-in-link": lambda: link("https://lists.test/unsubscribe?u=maria@example.com"),
    "url.open-redirect": lambda: link("https://portal.test/go?url=https://www.portal.test/x"),
    "url.backslash": lambda: link("https://shop.example/?path=c:\\temp"),
    "url.free-hosting": lambda: link("https://garden.weebly.com/photos"),
    "display_name.other-address": lambda: text("Hi", From='"ana@shop.example" <news@mail.shop.example>'),
    "display_name.protected-person": lambda: text("Hi", From="Maria Kocher <maria@kocher.test>"),
    "display_name.protected-domain": lambda: text("Hi", From="Ana from the Example Gardening Club <ana@club.test>"),
    "display_name.brand": lambda: text("Hi", From="Paul Apple <paul@apple-farm.test>"),
    "display_name.mixed-script": lambda: text("Hi", From="山田Taro <taro@shop.example>"),
    "display_name.invisible": lambda: text("Hi", From="Ána Ruíz <ana@shop.example>"),
    "display_name.role-freemail": lambda: text("Hi", From="IT Support <help@shop.example>"),
    "sender.lookalike": lambda: text("Hi", From="Max <max@sample.com>"),
    "sender.brand-lookalike": lambda: text("Hi", From="Team <team@microscope.test>"),
    "sender.own-domain-spoofed": lambda: facts(
        mail("Hi", From="Boss <boss@example.com>"), auth=authenticated("example.com")
    ),
    "sender.partner-unproven": lambda: facts(
        mail("Hi", From="B <i@partner-bank.example>"), auth=authenticated("partner-bank.example")
    ),
    "sender.reply-to-freemail": lambda: text("Hi", Reply_To="sales@shop.example"),
    "sender.reply-to-elsewhere": lambda: text("Hi", Reply_To="ana@mail.shop.example"),
    "sender.reply-to-lookalike": lambda: text("Hi", Reply_To="maria@example.com"),
    "sender.envelope-differs": lambda: facts(
        mail(), envelope=envelope("bounce@mailer.test"), auth=authenticated("shop.example")
    ),
    "sender.multiple-from": lambda: text("Hi", From="Ana <ana@shop.example>, Ana <ANA@shop.example>"),
    "sender.no-from": lambda: text("Hi"),
    "sender.malformed-from": lambda: text("Hi", From="Ana <ana+tag@mail.shop.example>"),
    "sender.freemail": lambda: text("Hi", From="Ana <ana@gmail.com.example>"),
    "sender.to-self": lambda: facts(mail("Hi", From=OWN), auth=authenticated("example.com")),
    "sender.random-address": lambda: text("Hi", From="x <ana.ruiz1984@shop.example>"),
    "history.first-contact": known,
    "history.good": lambda: known(seen=32, ham=25, spam=7),
    "history.bad": lambda: known(seen=3, ham=1, spam=2),
    "header.no-date": lambda: text("Hi"),
    "header.bad-date": lambda: text("Hi", Date="2 Mar 26 08:59 GMT"),
    "header.date-future": lambda: text("Hi", Date="Mon, 2 Mar 2026 20:59:00 +0000"),
    "header.date-past": lambda: text("Hi", Date="Thu, 26 Feb 2026 08:59:00 +0000"),
    "header.no-message-id": lambda: text("Hi"),
    "header.bad-message-id": lambda: text("Hi", Message_ID="<a.b-c$d@[192.0.2.1]>"),
    "header.no-recipients": lambda: text("Hi", To="", Cc="maria@example.com"),
    "header.malformed": lambda: text("Hi", Subject="one\n two"),
    "header.duplicate": lambda: facts(mail().replace("Subject:", "Comments: a\nComments: b\nSubject:")),
    "header.forged-received": lambda: text(
        "Hi", Received="from a.test ([192.0.2.30]) by b.test; Mon, 2 Mar 2026 08:00:00 +0000"
    ),
    "header.raw-8bit": lambda: text("Hi", Subject="Grüße"),
    "header.scripted": lambda: text("Hi", X_Mailer="PHPMailer"),
    "header.recipient-crowd": lambda: text("Hi", To=", ".join(f"{c}@example.com" for c in "bacdefghij")),
    "header.bare": lambda: text("Hi", To="", Date="", Message_ID=""),
    "subject.all-caps": lambda: text("Hi", Subject="NASA"),
    "subject.exclamation": lambda: text("Hi", Subject="Happy birthday!"),
    "subject.spaced": lambda: text("Hi", Subject="Plan A b c"),
    "subject.fake-reply": lambda: text("Hi", Subject="Re: your order", In_Reply_To="<0@example.com>"),
    "subject.empty": lambda: text("Hi", Subject="?"),
    "subject.long": lambda: text("Hi", Subject="plan " * 30),
    "subject.mixed-script": lambda: text("Hi", Subject="東京Tower and Москва"),
    "subject.recipient": lambda: text("Hi", Subject="For maria only"),
    "subject.money": lambda: text("Hi", Subject="5 apples for 3 people"),
    "subject.random-tail": lambda: text("Hi", Subject="Minutes of March 2026"),
    "body.hidden-text": lambda: facts(
        html_mail(f"<div style='display:none'>Preview of the news</div><p>{LONG_LOWER}</p>")
    ),
    "body.image-only": lambda: facts(html_mail(f"<p>{LONG_LOWER}</p><img src='https://x.test/a.png'>")),
    "body.parts-differ": lambda: parts(LONG_LOWER, f"<p>{LONG_LOWER}</p><p>Unsubscribe</p>"),
    "body.empty": lambda: text("ok", Subject=""),
    "body.link-only": lambda: text(LONG_LOWER + " https://shop.example/x"),
    "body.mixed-script": lambda: facts(html_mail("<p>Москва and Ελλάδα and 東京タワー are far away</p>")),
    "body.split-words": lambda: facts(html_mail("<p>Hello" + "&nbsp;&zwnj;" * 40 + "</p>")),
    "body.shouting": lambda: text("PLEASE NOTE: " + LONG_LOWER),
    "html.form": lambda: facts(html_mail("<p>The form is at the desk</p>")),
    "html.script": lambda: facts(html_mail("<p>We wrote a script for you</p>")),
    "html.too-deep": lambda: facts(html_mail("<div>" * 40 + "x")),
    "html.refresh": lambda: facts(
        html_mail("<head><meta http-equiv='content-type' content='text/html'></head><p>Hi</p>")
    ),
    "html.no-plain-text": lambda: parts("Hello", "<p>Hello</p>"),
    "html.lone-remote-image": lambda: facts(html_mail("<p>Hello</p><img src='https://img.shop.example/logo.gif'>")),
    "mime.broken": lambda: parts("Hello", "<p>Hello</p>"),
    "mime.flood": lambda: facts(deep_mail(10)),
    "mime.ambiguous": lambda: text("x", Content_Type="text/html"),
    "mime.damaged-encoding": lambda: text("SGVsbG8=", MIME_Version="1.0", Content_Transfer_Encoding="base64"),
    "mime.line-ends": lambda: facts(mail()),
    "mime.nul": lambda: text("Hello there"),
    "mime.no-version": lambda: text(
        "--b\n\nx\n--b--", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"'
    ),
    "mime.odd-charset": lambda: text("x", MIME_Version="1.0", Content_Type="text/plain; charset=iso-8859-15"),
    "bulk.list": lambda: text("Hi"),
    "bulk.unsubscribe": lambda: text("Hi, how do I unsubscribe?"),
    "bulk.one-click": lambda: text(
        "Hi", List_Unsubscribe="<https://shop.example/u>", List_Unsubscribe_Post="List-Unsubscribe=One-Click"
    ),
    "bulk.precedence": lambda: text("Hi", Precedence="first-class"),
    "bulk.automatic": lambda: text("Hi", Auto_Submitted="no"),
    "trap.recipient": lambda: facts(mail(), envelope=envelope("a@b.test", "trap@example.com")),
    "trap.campaign": known,
    "trap.sender": lambda: known(trap_hits=0),
    "lists.blocked": lambda: known(is_allowed=True),
    "lists.allowed": lambda: known(is_allowed=True, is_blocked=True),
    "gtube": lambda: text("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34Y"),
    "calendar.organizer-differs": lambda: invitation("rooms@mail.shop.example"),
    "calendar.strange-link": lambda: invitation("ana@shop.example", "https://us02web.zoom.us/j/1"),
    "lure.credentials": lambda: text(
        "I lost the password of my account at the library and have to go there. See https://library.test/"
    ),
    "lure.parcel": lambda: text("Your parcel is on its way, see https://shop.example/track for the delivery."),
    "lure.gift-cards": lambda: text("Thanks for the gift cards, the children loved them."),
    "lure.payment-change": lambda: facts(
        mail("We have new bank details, please pay there.", From="A <a@example.com>"), auth=authenticated("example.com")
    ),
    "lure.payroll": lambda: text("The payroll run is on Friday, as usual."),
    "lure.errand": lambda: facts(
        mail("Are you available? Reply when out of the meeting."), auth=authenticated("shop.example")
    ),
    "lure.extortion": lambda: text("The conference has a talk on bitcoin and one on webcam hardware."),
    "lure.advance-fee": lambda: text("The company raised 15 million dollars, says the paper."),
    "lure.callback": lambda: text("Your subscription has been renewed. Thank you for reading."),
    "lure.shared-file": lambda: facts(
        mail("Ana shared a document with you. Open the document: https://shop.example/d"),
        auth=authenticated("shop.example"),
    ),
    "lure.prize": lambda: text("Our team has won the match, congratulations to all!"),
    "attachment.executable": lambda: attached("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(60), "image/jpeg"),
    "attachment.script": lambda: attached("invoice.json", b"{}"),
    "attachment.double-extension": lambda: attached("report.v2.pdf", PDF),
    "attachment.direction-mark": lambda: attached("inv.pdf", PDF),
    "attachment.macro": lambda: attached("list.docx", zipped("[Content_Types].xml", "word/document.xml")),
    "attachment.active-content": lambda: attached("bill.pdf", PDF),
    "attachment.encrypted": lambda: attached("bill.zip", zipped("bill.pdf")),
    "attachment.password-in-text": lambda: attached("bill.zip", zipped("bill.pdf"), body="Password: 4711x"),
    "attachment.executable-in-archive": lambda: attached("bill.zip", zipped("bill.pdf", "photos/exe.jpg")),
    "attachment.bomb": lambda: attached("bill.zip", zipped("a.txt", inner=b"abcdefgh" * 1_000)),
    "attachment.nested-archive": lambda: attached("photos.zip", zipped("a.jpg", "b.jpg")),
    "attachment.html": lambda: attached("report.html", b"<html><body><p>Report</p></body></html>", "text/html"),
    "attachment.disk-image": lambda: attached("image.png", b"\x89PNG\r\n\x1a\n" + bytes(60)),
    "attachment.shortcut": lambda: attached("links.txt", b"L is a letter"),
    "attachment.type-mismatch": lambda: attached("invoice.pdf", PDF),
    "attachment.onenote": lambda: attached("phase.one.txt", b"text"),
}

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
