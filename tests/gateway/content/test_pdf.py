"""Links out of PDF documents, within limits."""

import time
import zlib

import pytest

from gateway.content.attachments import AttachmentLimits, attachments_of
from gateway.content.pdf import PdfLimits, links_in
from store.message.mime import parse_message
from tests.support.facts import facts, with_attachment

PACKED = b"%PDF-1.7\n5 0 obj <</Type /ObjStm /N 1 /Filter /FlateDecode>>\nstream\n"


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (b"<</S /URI /URI (https://a.test/x)>>", ("https://a.test/x",)),
        (rb"/URI(https://a.test/\(x\))", ("https://a.test/(x)",)),
        (b"/URI <68747470733A2F2F612E74657374>", ("https://a.test",)),
        (b"/URI (https://a.test/1) /URI (https://a.test/1)", ("https://a.test/1",)),
        (PACKED + zlib.compress(b"1 0 <</URI (https://packed.test/)>>"), ("https://packed.test/",)),
        (PACKED + b"no deflate", ()),
        (b"/URI (", ()),
        (b"/ObjStm", ()),
        (b"", ()),
    ],
    ids=["plain", "escaped", "hexadecimal", "twice", "packed", "broken stream", "cut off", "no stream", "nothing"],
)
def test_links(octets: bytes, found: tuple[str, ...]) -> None:
    assert links_in(octets) == found


def test_no_more_than_the_limits() -> None:
    many = b"".join(b"/URI (https://a.test/%d)" % n for n in range(500))
    assert len(links_in(many)) == PdfLimits().links
    assert links_in(b"x" * 100 + b"/URI (https://a.test/)", PdfLimits(octets=100)) == ()


@pytest.mark.parametrize(
    "octets",
    [b"/URI(" * 400_000, (b"/URI(" + b"\\" * 2_100) * 900, (PACKED + zlib.compress(bytes(20_000_000))) * 20],
    ids=["opened", "escapes", "bombs"],
)
def test_hostile_documents_are_read_in_time(octets: bytes) -> None:
    started = time.perf_counter()
    links_in(octets)
    assert time.perf_counter() - started < 1.0


def test_a_document_s_links_are_checked_as_links() -> None:
    octets = with_attachment("bill.pdf", b"%PDF-1.7\n/URI (https://paypa1.com/login)", "application/pdf")
    (url,) = facts(octets).content.urls
    assert (url.host, url.source) == ("paypa1.com", "pdf")


def test_marks_at_the_end_of_a_huge_page_are_found() -> None:
    page = b"<html>" + b" " * 6_000_000 + b"<script>new Blob([atob('x')])</script></html>"
    (attached,) = attachments_of(parse_message(with_attachment("a.html", page).encode()), AttachmentLimits())
    assert "smuggling" in attached.markers
