"""What carries a composed mail: addresses of links, delivery reports, mailing lists, boundaries."""

import random
from email.message import EmailMessage, Message

from gateway.checks.display_name import claimed_brand
from gateway.content.brands import domains_of
from training.modern.slots import slug


def home_of(sender: str, fallback: str, rng: random.Random, *, unwanted: bool) -> str:
    """The domain a sender writes from: a brand from its own, who borrows its name from elsewhere."""
    name = slug(sender)[:30] or slug(fallback) or f"sender{rng.randrange(1000)}"
    brand = claimed_brand(sender) or claimed_brand(sender.partition(" ")[0])
    if not brand:
        return f"{name}.example"
    if not unwanted:
        return domains_of(brand)[0]
    return rng.choice((f"{name}.example", f"{brand.replace(' ', '')}-service.example", "blumen-weber.example"))


def link_to(name: str, rng: random.Random, *, unwanted: bool, domain: str = "") -> str:
    """Where a link of a mail leads: to the sender or a tracker, or to where lures lead."""
    token = "".join(rng.choice("abcdef0123456789") for _ in range(rng.randrange(6, 24)))
    if not unwanted:
        own = domain or f"{name}.example"
        host = rng.choice((f"www.{own}", own, f"click.{own}", "t.mailhub.example"))
        return f"https://{host}/{rng.choice(('t', 'track', 'a', 'view', 'n'))}/{token}"
    host = rng.choice(
        (
            f"{name}-{rng.choice(('verify', 'secure', 'support', 'account', 'pay'))}.example",
            f"{token[:8]}.sitebuilder.example",
            f"www.{rng.choice(('blumen-weber', 'kidsparty', 'oldmill', 'autoservice'))}.example",
            "short.example",
            "t.mailhub.example",
        )
    )
    return f"{rng.choice(('https', 'https', 'http'))}://{host}/{rng.choice((name, 't', 'login', 'a', 'view'))}/{token}"


def as_list(mail: EmailMessage, rng: random.Random) -> None:
    """The mark of a mailing list."""
    mail["List-Id"] = "<list.lists.example>"


def as_report(mail: EmailMessage, rng: random.Random) -> None:
    """A delivery report as RFC 3464 has it: text, machine part, the mail that came back."""
    mail.make_mixed()
    mail.replace_header("Content-Type", "multipart/report; report-type=delivery-status")
    host, failed = Message(), Message()
    host["Reporting-MTA"] = "dns; mx.example"
    failed["Final-Recipient"] = "rfc822; gone@far.example"
    failed["Action"] = "failed"
    failed["Status"] = f"5.{rng.randrange(1, 8)}.1"
    status = EmailMessage()
    status["Content-Type"] = "message/delivery-status"
    status.set_payload([host, failed])
    mail.attach(status)
    sent = EmailMessage()
    sent["Subject"] = rng.choice(("Minutes", "Hello", "Offer", "Tuesday", "Documents"))
    sent.set_content(rng.choice(("See attached.\n", "Are you coming on Tuesday?\n", "Thanks, talk soon.\n")))
    back = EmailMessage()
    back.set_content(sent)
    mail.attach(back)


def name_boundaries(mail: EmailMessage, reference: str) -> None:
    """Set all boundaries: the library's own ones come from an unseeded source."""
    for number, part in enumerate(p for p in mail.walk() if p.get_content_maintype() == "multipart"):
        part.set_boundary(f"=_{number}_{reference}")
