"""A mail's text as a picture, as spam that filters cannot read is sent."""

import textwrap
from email.message import Message
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from io import BytesIO

from PIL import Image, ImageDraw

_LINES, _COLUMNS = 24, 80
_SIZE = (640, 420)


def as_picture(mail: Message, text: str) -> None:
    """Replace the body of a mail by a page that holds nothing but a picture of the text."""
    drawn = Image.new("L", _SIZE, 255)
    shown = text.encode("ascii", "replace").decode("ascii")[: _LINES * _COLUMNS]
    ImageDraw.Draw(drawn).multiline_text((10, 10), "\n".join(textwrap.wrap(shown, _COLUMNS)[:_LINES]), fill=0)
    octets = BytesIO()
    drawn.save(octets, "PNG", optimize=False)
    body = MIMEMultipart("related", boundary="=_picture")
    body.attach(MIMEText('<html><body><img src="cid:picture"></body></html>', "html", "us-ascii"))
    picture = MIMEImage(octets.getvalue(), "png")
    picture["Content-ID"] = "<picture>"
    body.attach(picture)
    for name in ("Content-Type", "Content-Transfer-Encoding", "MIME-Version"):
        del mail[name]
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = body["Content-Type"]
    mail.set_payload(body.get_payload())
