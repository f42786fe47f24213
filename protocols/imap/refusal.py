"""What can go wrong with a command, and the answer each deserves.

ImapRefusal
    BadCommand      BAD: the client's mistake
    Refused         NO: understood, not done
    Disconnect      BYE: the connection ends
"""


class ImapRefusal(Exception):
    """A command that is not done. The text is for the client, so it says nothing about our insides."""

    status = b"NO"

    def __init__(self, text: str, code: bytes = b"") -> None:
        super().__init__(text)
        self.text = text
        self.code = code  #: RFC 5530 response code, without brackets

    def line(self, tag: bytes) -> bytes:
        code = b"[%b] " % self.code if self.code else b""
        text = self.text.encode("ascii", "replace")
        return b"%b %b %b%b\r\n" % (tag, self.status, code, text)


class BadCommand(ImapRefusal):
    status = b"BAD"


class Refused(ImapRefusal):
    status = b"NO"


class Disconnect(ImapRefusal):
    status = b"BYE"
