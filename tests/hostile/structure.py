"""Parts and encodings that cost much or break readers."""

from tests.hostile.letters import HEAD, MB, Make, with_parts


def _levels(depth: int) -> bytes:
    out = [HEAD]
    for level in range(depth):
        out.append(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level))
    out.append(b"Content-Type: text/plain\r\n\r\ndeep\r\n")
    out += [b"--b%d--\r\n" % level for level in reversed(range(depth))]
    return b"".join(out)


STRUCTURE: dict[str, Make] = {
    "3,000 MIME levels": lambda: _levels(3_000),
    "3,000 mails within mails": lambda: (HEAD + b"Content-Type: message/rfc822\r\n\r\n") * 3_000 + b"x\r\n",
    "100,000 attachments": lambda: with_parts(
        [b'Content-Disposition: attachment; filename="f.zip"\r\n\r\nx'] * 100_000
    ),
    "100,000 text parts": lambda: with_parts([b"Content-Type: text/plain\r\n\r\nx"] * 100_000, b"alternative"),
    "1,000 pages": lambda: with_parts([b"Content-Type: text/html\r\n\r\n" + b"<p>a" * 1_000] * 1_000),
    "2,000 pictures": lambda: with_parts([b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n"] * 2_000),
    "a boundary of 1 MB": lambda: (
        HEAD + b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n\r\nx\r\n--%s--\r\n' % ((b"b" * MB,) * 3)
    ),
    "a boundary and 5 MB of dashes": lambda: with_parts([b"\r\n\r\n" + b"--\r\n" * (5 * MB // 4)]),
    "a boundary and 5 MB of near misses": lambda: with_parts([b"\r\n\r\n" + b"--bx\r\n" * (5 * MB // 6)]),
    "boundaries that begin alike": lambda: _levels(40).replace(b"--b", b"--" + b"b" * 60),
    "25 MB of base64": lambda: with_parts(
        [
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + (b"QUJD" * 19 + b"\r\n") * (25 * MB // 78)
        ]
    ),
    "25 MB of base64 that is text": lambda: (
        HEAD
        + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + (b"QUJD" * 19 + b"\r\n") * (25 * MB // 78)
    ),
    "25 MB of base64 on one line": lambda: (
        HEAD + b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * (25 * MB // 4)
    ),
    "10 MB of damaged base64": lambda: (
        HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"Q=!U\xff" * (2 * MB)
    ),
    "10 MB of quoted-printable": lambda: (
        HEAD
        + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        + b"=41=\r\n" * (10 * MB // 6)
    ),
    "10 MB of trailing blanks": lambda: (
        HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b" " * (10 * MB)
    ),
    "10 MB of uuencode": lambda: (
        HEAD
        + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n"
        + b"!\r\n" * (10 * MB // 3)
    ),
}
