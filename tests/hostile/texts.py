"""Texts that cost much or break readers."""

from tests.hostile.letters import HEAD, MB, Make, plain

TEXTS: dict[str, Make] = {
    "1 MB of confusables": lambda: plain("раураӏ ｐａｙ𝗽𝗮𝗹 ".encode() * (MB // 45)),
    "1 MB of zero-width characters": lambda: plain("f\u200br\u200ce\u200de\ufeff".encode() * (MB // 16)),
    "1 MB of marks and half-width marks": lambda: plain("\u0315\uff9e".encode() * (MB // 5)),
    "1 MB of combining marks": lambda: plain(b"a" + "\u0315\u0300\u05ae".encode() * (MB // 6)),
    "1 MB of U+FDFA": lambda: plain("\ufdfa".encode() * (MB // 3)),
    "1 MB of spaced letters": lambda: plain(b"v i a g r a " * (MB // 12)),
    "1 MB of lone letters": lambda: plain(b"a " * (MB // 2)),
    "10 MB without a space": lambda: plain(b"x" * (10 * MB)),
    "5 MB of digits": lambda: plain(b"1234567890" * (MB // 2)),
    "5 MB of spaces": lambda: plain(b" " * (5 * MB) + b"x"),
    "5 MB of line breaks": lambda: plain(b"\r\n" * (5 * MB // 2)),
    "5 MB of a@a@": lambda: plain(b"a@" * (5 * MB // 2)),
    "5 MB of a.a.": lambda: plain(b"a." * (5 * MB // 2)),
    "5 MB of a.example/": lambda: plain(b"a.example/" * (MB // 2)),
    "5 MB of quotes": lambda: plain(b"\"'" * (5 * MB // 2)),
    "5 MB of http:": lambda: plain(b"http:" * MB),
    "5 MB of www.": lambda: plain(b"www." * (5 * MB // 4)),
    "50,000 URLs": lambda: plain(b"".join(b"https://h%d.example/p?q=%d\r\n" % (n, n) for n in range(50_000))),
    "50,000 URLs without a scheme": lambda: plain(b"".join(b"h%d.example/p\r\n" % n for n in range(50_000))),
    "one URL of 1 MB": lambda: plain(b"https://a.example/" + b"%41/" * (MB // 4)),
    "one host of 1 MB": lambda: plain(b"https://" + b"a." * (MB // 2) + b"example/"),
    "URLs in brackets": lambda: plain(b"(https://a.example/(" * (MB // 20)),
    "block characters": lambda: plain(("█▀▄ " * 25 + "\r\n").encode() * 5_000),
    "NUL octets": lambda: plain(b"\0" * MB),
    "8-bit octets": lambda: plain(bytes(range(128, 256)) * (5 * MB // 128)),
    "lone surrogates in UTF-8": lambda: plain(b"\xed\xa0\x80" * (MB // 3)),
    "UTF-7": lambda: HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+ADw-" * MB,
    "UTF-32": lambda: HEAD + b"Content-Type: text/plain; charset=utf-32\r\n\r\n" + b"a\0\0\0" * (5 * MB // 4),
    "HZ": lambda: HEAD + b"Content-Type: text/plain; charset=hz\r\n\r\n" + b"~{VPND~}" * (5 * MB // 8),
    "ISO-2022-JP": lambda: (
        HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + b'\x1b$B$"\x1b(B' * (MB // 2)
    ),
    "a charset nobody has": lambda: (
        HEAD + b"Content-Type: text/plain; charset=%s\r\n\r\n" % (b"x" * 50_000) + b"\xff" * MB
    ),
    "punycode as a charset": lambda: HEAD + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a-" * MB,
}
