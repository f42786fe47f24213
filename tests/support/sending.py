"""SMTP by hand: one mail over one connection, and the reception id that answers it."""

import socket


def send_once(address: tuple[str, int], octets: bytes, recipient: str = "ana@example.com") -> str:
    """The id the server gave the mail. Raises OSError for any other answer, or none."""
    with socket.create_connection(address, timeout=20) as sock, sock.makefile("rb") as replies:

        def expect(code: bytes) -> bytes:
            line = replies.readline()
            while line[3:4] == b"-":
                line = replies.readline()
            if not line.startswith(code):
                raise OSError(f"expected {code!r}, got {line!r}")
            return line

        expect(b"220")
        for command, code in ((b"EHLO mx.partner.example", b"250"), (b"MAIL FROM:<bob@partner.example>", b"250"),
                              (b"RCPT TO:<" + recipient.encode() + b">", b"250"), (b"DATA", b"354")):  # fmt: skip
            sock.sendall(command + b"\r\n")
            expect(code)
        sock.sendall(octets + b".\r\n")
        return expect(b"250").split()[-1].decode()
