"""Small mails for tests."""

from email.message import EmailMessage
from email.policy import SMTP


def letter(
    subject: str, body: str = "", *, sender: str = "Bob <bob@partner.example>", to: str = "ana@example.com"
) -> EmailMessage:
    """An ordinary mail that a good gateway delivers."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Sun, 22 Nov 2026 10:00:00 +0000"
    message["Message-ID"] = f"<{abs(hash((subject, body)))}@partner.example>"
    message.set_content(body or f"Hello,\n\nhere are the notes about {subject}. See you on Tuesday.\n\nBob\n")
    return message


PHISH = """\
From: "IT Service Desk" <it-desk@exarnple.com>
To: ana@example.com
Subject: Your mailbox will be closed today
Date: Sun, 22 Nov 2026 10:00:00 +0000
Message-ID: <1@exarnple.com>
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8

<p>Dear user,</p><p>Your mailbox password expires today. Verify your account now or you will lose access:</p>
<p><a href="http://ex\u0430mple.com.login.test/verify">https://mail.example.com/</a></p>
""".replace("\n", "\r\n").encode()

GTUBE = (
    b"From: test@shop.test\r\nTo: ana@example.com\r\nSubject: test\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <gtube@shop.test>\r\n\r\n"
    b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
)
