"""Header fields that cost much or break readers: name to octets as they come after DATA."""

from tests.hostile.letters import HEAD, KB, MB, Make, headed


def _dkim(count: int, algorithm: bytes = b"rsa-sha256") -> bytes:
    signature = (
        b"DKIM-Signature: v=1; a=%s; c=relaxed/relaxed; d=shop.example; s=sel; h=from:to:subject:date;\r\n"
        b" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=%s\r\n" % (algorithm, b"QUJD" * 43)
    )
    return signature * count


def _arc(count: int) -> bytes:
    sets = []
    for i in range(count, 0, -1):
        tags = b"i=%d; a=rsa-sha256; d=shop.example; s=sel; b=%s" % (i, b"QUJD" * 43)
        sets.append(
            b"ARC-Seal: %s; cv=%s; t=1\r\nARC-Message-Signature: %s; c=relaxed/relaxed; h=from:to; bh=QUJD\r\n"
            b"ARC-Authentication-Results: i=%d; mx.example; dkim=pass\r\n"
            % (tags, b"pass" if i > 1 else b"none", tags, i)
        )
    return b"".join(sets)


HEADERS: dict[str, Make] = {
    "100,000 header lines": lambda: headed(b"X-A: b\r\n" * 100_000),
    "100,000 header lines of one field": lambda: headed(b"X-A: b\r\n" + b" c\r\n" * 100_000),
    "10,000 Received lines": lambda: headed(
        b"Received: from a.example (b.example [192.0.2.1]) by c.example; Sun, 22 Nov 2026 10:00:00 +0000\r\n" * 10_000
    ),
    "1,000 DKIM signatures": lambda: headed(_dkim(1_000)),
    "1,000 DKIM signatures, 5 MB body": lambda: headed(_dkim(1_000)) + b"a b \tc \r\n" * (5 * MB // 9),
    "10 DKIM signatures, 25 MB of short words": lambda: headed(_dkim(10)) + b"a b\tc \r\n" * (25 * MB // 8),
    "a DKIM signature of 1 MB": lambda: headed(_dkim(1)[:-2] + b"QUJD\r\n " * (MB // 7) + b"\r\n"),
    "a DKIM signature of 200,000 tags": lambda: headed(_dkim(1)[:-2] + b"; x=1" * 200_000 + b"\r\n"),
    "a DKIM signature naming 100,000 fields": lambda: headed(
        _dkim(1).replace(b"h=from", b"h=from" + b":x" * 100_000) + b"X: y\r\n" * 1_000
    ),
    "a DKIM signature of digits": lambda: headed(
        _dkim(1)[:-2] + b"; t=%s; x=%s; l=%s; v=%s; i=@%s\r\n" % ((b"9" * 10_000,) * 5)
    ),
    "DKIM signatures that share a body hash's cost": lambda: (
        headed(
            b"".join(_dkim(1).replace(b"relaxed/relaxed", kind) for kind in (b"simple/simple", b"relaxed/simple")) * 5
        )
        + b" \t" * (12 * MB)
    ),
    "an ARC set of digits": lambda: headed(_arc(1).replace(b"i=1", b"i=" + b"1" * 10_000)),
    "an ARC seal of digits": lambda: headed(_arc(1).replace(b"t=1", b"t=" + b"1" * 10_000)),
    "1,000 ARC sets": lambda: headed(_arc(1_000)),
    "50 ARC sets, 25 MB body": lambda: headed(_arc(50)) + b"a b\tc \r\n" * (25 * MB // 8),
    "a To field of 1 MB": lambda: headed(
        b"To: " + b",\r\n ".join(b"u%d@example.com" % n for n in range(50_000)) + b"\r\n"
    ),
    "a From of a@a@a": lambda: headed(b"From: " + b"a@" * (200 * KB) + b"\r\n"),
    "a From of open quotes": lambda: headed(b"From: " + b'"\\' * (200 * KB) + b"\r\n"),
    "a From of open comments": lambda: headed(b"From: a@b.example " + b"(" * (200 * KB) + b"\r\n"),
    "a From of angle brackets": lambda: headed(b"From: " + b"<a " * (100 * KB) + b"\r\n"),
    "a From of dots": lambda: headed(b"From: a" + b" . a" * (80 * KB) + b"@b.example\r\n"),
    "a From of groups": lambda: headed(b"From: " + b"a:b;" * (60 * KB) + b"\r\n"),
    "a From of 1,000 encoded words": lambda: headed(b"From: " + b"=?utf-8?q?=C3=A9?= " * 10_000 + b"<a@b.example>\r\n"),
    "a Subject of 1 MB": lambda: headed(b"Subject: " + b"free money now \r\n " * (MB // 18) + b"\r\n"),
    "a Subject of =?": lambda: headed(b"Subject: " + b"=?" * (120 * KB) + b"\r\n"),
    "a Subject of words split badly": lambda: headed(
        b"Subject: " + b"=?utf-8?b?4p\r\n =?utf-7?q?+AD-?=?=" * 8_000 + b"\r\n"
    ),
    "a Subject of half words": lambda: headed(b"Subject: " + b"=?a?q?" * (40 * KB) + b"\r\n"),
    "a Subject of spaces": lambda: headed(b"Subject: a" + b" " * (250 * KB) + b"b\r\n"),
    "a Subject of combining marks": lambda: headed(
        b"Subject: a" + "\u0315\u0300\u05ae\u0062".encode() * 30_000 + b"\r\n"
    ),
    "References of 1 MB": lambda: headed(b"References: " + b"<a@b>\r\n " * (MB // 9) + b"<c@d>\r\n"),
    "References of brackets": lambda: headed(b"References: " + b"<" * (250 * KB) + b"\r\n"),
    "a Date of digits": lambda: headed(b"Date: " + b"1" * (250 * KB) + b"\r\n"),
    "a Date of spaces": lambda: headed(b"Date: Sun," + b" " * (250 * KB) + b"x\r\n"),
    "a Received of comments": lambda: headed(b"Received: from a (" + b"(a " * (80 * KB) + b"; x\r\n"),
    "a Received of digits and dots": lambda: headed(b"Received: from " + b"1.2." * (60 * KB) + b" by b\r\n"),
    "a Content-Type of parameters": lambda: (
        HEAD + b"Content-Type: text/plain" + b"; a*0*=x''y" * 20_000 + b"\r\n\r\nx\r\n"
    ),
    "a Content-Type of quotes": lambda: (
        HEAD + b'Content-Type: text/plain; a="' + b'\\"' * (100 * KB) + b"\r\n\r\nx\r\n"
    ),
    "a Content-Type of words": lambda: HEAD + b"Content-Type: text/plain; a=" + b"b " * (100 * KB) + b"\r\n\r\nx\r\n",
    "an Authentication-Results of comments": lambda: headed(
        b"Authentication-Results: " + b"(" * (100 * KB) + b")" * (100 * KB) + b"\r\n"
    ),
    "a List-Unsubscribe of 250 KB": lambda: headed(b"List-Unsubscribe: " + b"<https://a.example/" * 12_000 + b"\r\n"),
    "a field name of 1 MB": lambda: headed(b"X" * MB + b": y\r\n"),
    "a header without an end": lambda: b"X-A: " + b"a" * (5 * MB),
    "no header at all, 5 MB": lambda: b"\r\n" + b"word " * MB,
    "nothing": lambda: b"",
}
