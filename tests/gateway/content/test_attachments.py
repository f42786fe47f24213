"""What is attached, by content, within limits."""

import io
import struct
import time
import zipfile

import pytest

from gateway.content.archives import ArchiveLimits, zip_contents
from gateway.content.attachments import AttachmentLimits, attachments_of, extension_of, has_direction_mark
from gateway.content.facts import Attachment
from gateway.content.filetype import true_type
from store.message.mime import parse_message
from tests.support.facts import with_attachment


def look(name: str, content: bytes, limits: AttachmentLimits = AttachmentLimits()) -> Attachment:  # noqa: B008 - frozen
    (found,) = attachments_of(parse_message(with_attachment(name, content).encode()), limits)
    return found


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"MZ\x90", "exe"),
        (b"\x7fELF\x02", "elf"),
        (b"PK\x03\x04", "zip"),
        (b"junk\n%PDF-1.4", "pdf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"RIFF\x00\x00\x00\x00WEBP", "webp"),
        (bytes(32_769) + b"CD001", "iso"),
        (b"  \r\n<!-- hi --> <HTML>", "html"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "html"),
        (b"<script>x</script>", "html"),
        (b"<?xml version='1.0'?><svg/>", "svg"),
        (b"<?xml version='1.0'?><a/>", "xml"),
        (b"<b>bold</b>", ""),
        (b"Dear Maria,", ""),
        (b"", ""),
    ],
)
def test_type_by_content(octets: bytes, kind: str) -> None:
    assert true_type(octets) == kind


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.PDF", "pdf"),
        ("a.exe. ", "exe"),
        ("a.e\u200bxe", "exe"),
        ("inv\u202efdp.exe", "exe"),
        ("archive.tar.gz", "gz"),
        (".profile", ""),
        ("noextension", ""),
        ("", ""),
    ],
)
def test_extension(name: str, extension: str) -> None:
    assert extension_of(name) == extension


def test_direction_marks() -> None:
    assert has_direction_mark("inv\u202efdp.exe")
    assert not has_direction_mark("חשבונית.pdf")


def test_members_of_an_archive_and_of_a_small_one_inside() -> None:
    found = look("a.zip", archive(a__txt=b"x", inner__zip=archive(evil__exe=b"MZ")))
    assert found.true_type == "zip"
    assert found.members == ("a.txt", "inner.zip", "inner.zip/evil.exe")


def test_a_second_level_inside_is_named_but_not_opened() -> None:
    deep = archive(one__zip=archive(two__zip=archive(three__zip=archive(evil__exe=b"MZ"))))
    assert look("a.zip", deep).members == ("one.zip", "one.zip/two.zip")


def test_office_documents_and_their_macros() -> None:
    plain = {"[Content_Types]__xml": b"x", "xl/workbook__xml": b"x"}
    assert look("a.xlsx", archive(**plain)).true_type == "xlsx"
    assert look("a.xlsx", archive(**plain)).markers == ()
    assert look("a.xlsm", archive(**plain, **{"xl/vbaProject__bin": b"x"})).markers == ("macro",)


def test_macros_of_old_documents() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
    assert look("a.doc", ole + "_VBA_PROJECT".encode("utf-16-le")).markers == ("macro",)
    assert look("a.doc", ole + "WordDocument".encode("utf-16-le")).markers == ()


def test_an_encrypted_archive() -> None:
    octets = bytearray(archive(a__txt=b"x"))
    octets[octets.find(b"PK\x01\x02") + 8] |= 1
    assert look("a.zip", bytes(octets)).is_encrypted
    assert not look("a.zip", archive(a__txt=b"x")).is_encrypted


def test_a_bomb_by_ratio() -> None:
    assert look("a.zip", archive(a=bytes(20_000_000))).is_bomb


def test_a_bomb_inside_a_small_archive() -> None:
    assert look("a.zip", archive(inner__zip=archive(a=bytes(20_000_000)))).is_bomb


def test_a_bomb_by_what_it_claims() -> None:
    octets = bytearray(archive(a__txt=b"x"))
    struct.pack_into("<I", octets, octets.find(b"PK\x01\x02") + 24, 0xFFFFFFF0)
    assert zip_contents(bytes(octets), ArchiveLimits()).is_bomb


def test_a_directory_of_very_many_entries_is_a_bomb_read_in_bounded_time() -> None:
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 1, 0, 0) + bytes(12) + b"a"
    directory = entry * 250_000
    octets = directory + b"PK\x05\x06" + bytes(8) + struct.pack("<II", len(directory), 0) + bytes(2)
    start = time.process_time()
    found = zip_contents(octets, ArchiveLimits())
    assert time.process_time() - start < 1.0
    assert found.is_bomb
    assert len(found.members) == 200


def test_an_archive_whose_end_is_cut_off_still_names_its_members() -> None:
    octets = archive(evil__exe=b"MZ" * 100)
    assert look("a.zip", octets[: octets.find(b"PK\x01\x02")]).members == ("evil.exe",)


@pytest.mark.parametrize("cut", range(0, 140, 7))
def test_damaged_archives_do_not_raise(cut: int) -> None:
    octets = archive(a__txt=b"hello", inner__zip=archive(b=b"x"))
    look("a.zip", octets[:cut])
    look("a.zip", octets[:cut] + b"\xff" * 8 + octets[cut + 8 :])


def test_a_page_that_asks_for_a_password() -> None:
    found = look("a.html", b"<html><form><input type=password></form><script>atob('x')</script></html>")
    assert found.markers == ("form", "password", "script", "smuggling")


def test_no_more_parts_and_octets_are_looked_at_than_allowed() -> None:
    part = '--b\nContent-Type: application/x\nContent-Disposition: attachment; filename="a"\n\n' + "x" * 1_000 + "\n"
    octets = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n' + part * 100 + "--b--\n"
    message = parse_message(octets.encode())
    found = attachments_of(message, AttachmentLimits(parts=10, names=50))
    assert [a.is_unopened for a in found] == [False] * 10 + [True] * 40
    assert {(a.filename, a.size) for a in found if a.is_unopened} == {("a", 0)}
    assert sum(a.size for a in attachments_of(message, AttachmentLimits(total_octets=5_000))) <= 5_000


def test_a_directory_is_found_behind_what_confuses_readers() -> None:
    """Octets before the archive, a 64-bit end record that nobody needed, and junk before the end record."""
    octets = archive(setup__exe=b"MZ")
    end = octets.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<II", octets, end + 12)
    large = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    hidden = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    forms = {
        "plain": octets,
        "a stub": b"stub" * 10 + octets,
        "64 bits": octets[:end] + large + locator + octets[end:],
        "64 bits behind a stub": b"stub" + octets[:end] + large + locator + octets[end:],
        "64 bits only": octets[:end] + large + locator + octets[end : end + 12] + hidden + octets[end + 20 :],
        "junk": octets[:end] + b"junk" + octets[end:],
    }
    found = {name: zip_contents(form, ArchiveLimits()) for name, form in forms.items()}
    assert {name: (one.members, one.entries) for name, one in found.items()} == dict.fromkeys(
        forms, (("setup.exe",), 1)
    )


def test_archives_share_a_number_of_entries() -> None:
    many = archive(**{f"n{n}": b"" for n in range(40)})
    octets = with_attachment("a.zip", many).replace("--b--", with_attachment("b.zip", many).partition("\n\n--b\n")[2])
    found = attachments_of(parse_message(octets.encode()), AttachmentLimits(entries=40))
    assert [a.is_unopened for a in found if a.filename] == [False, True]


def test_a_program_does_not_hide_behind_a_crowd_of_texts() -> None:
    names = [f"chapter{n}.txt" for n in range(30)] + ["setup.exe", "more.txt"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name in names:
            packed.writestr(name, b"")
    kept = zip_contents(buffer.getvalue(), ArchiveLimits(members=10)).members
    assert kept == (*names[:10], "setup.exe")


def test_shown_text_is_no_attachment() -> None:
    message = parse_message(b"Content-Type: text/html\n\n<p>Hello</p>")
    assert attachments_of(message, AttachmentLimits()) == ()
