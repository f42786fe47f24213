"""QR codes in every picture a mail program shows, however they are coloured, and pictures made to break readers."""

import base64
import io
import struct
import zlib

import pytest
from PIL import Image, ImageOps

from gateway.content.qrcodes import QrLimits, codes_in
from store.message.mime import parse_message
from tests.support.facts import html_mail, mail, with_attachment
from tests.support.qrcodes import drawn, encoded, qr_image, qr_png

TARGET = "https://login.parcel-fee.test/pay?who=maria"


def codes(source: str, limits: QrLimits | None = None) -> tuple[str, ...]:
    message = parse_message(source.replace("\n", "\r\n").encode())
    return codes_in(message, limits) if limits else codes_in(message)


def pictured(octets: bytes, kind: str = "image/png") -> str:
    return with_attachment("picture", octets, kind)


def inside(code: Image.Image, size: tuple[int, int]) -> Image.Image:
    page = Image.new("L", size, 240)
    page.paste(code, (size[0] // 3, size[1] // 4))
    return page


def transparent() -> Image.Image:
    mask = ImageOps.invert(qr_image(TARGET))
    picture = Image.new("RGBA", mask.size, (0, 0, 0, 0))
    picture.putalpha(mask)
    return picture


PICTURES = {
    "png": encoded(qr_image(TARGET)),
    "jpeg": encoded(qr_image(TARGET), "JPEG"),
    "gif": encoded(qr_image(TARGET), "GIF"),
    "webp": encoded(qr_image(TARGET), "WEBP"),
    "bmp": encoded(qr_image(TARGET), "BMP"),
    "light on dark": encoded(ImageOps.invert(qr_image(TARGET))),
    "transparent": encoded(transparent()),
    "turned": encoded(qr_image(TARGET).rotate(90)),
    "small in a large page": encoded(inside(qr_image(TARGET, 6), (3_000, 2_000))),
    "coloured": encoded(ImageOps.colorize(qr_image(TARGET), "#aa0000", "#ffeecc")),
}


@pytest.mark.parametrize("octets", PICTURES.values(), ids=PICTURES.keys())
def test_a_code_is_read(octets: bytes) -> None:
    assert codes(pictured(octets)) == (TARGET,)


@pytest.mark.parametrize("halves", [False, True], ids=["full blocks", "half blocks"])
@pytest.mark.parametrize("as_page", [False, True], ids=["plain", "html"])
def test_a_drawn_code_is_read(halves: bool, as_page: bool) -> None:
    lines = drawn(TARGET, halves)
    head = {"MIME_Version": "1.0", "Content_Type": "text/plain; charset=utf-8"}
    page = html_mail("<p>Scan</p><pre>" + lines.replace("\n", "<br>") + "</pre>")
    plain = mail(f"Scan this:\n\n{lines}\n\nBest regards", **head)
    assert codes(page if as_page else plain) == (TARGET,)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1_000))) + chunk(b"IEND", b"")
    )


BROKEN = {
    "not a picture": b"hello",
    "empty": b"",
    "cut": qr_png(TARGET)[:200],
    "a bomb by its size": png_claiming(60_000, 60_000),
    "fewer pixels than claimed": png_claiming(900, 900),
    "a banner": encoded(Image.new("L", (2_000, 70), 0)),
    "a dot": encoded(Image.new("L", (1, 1), 0)),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN.keys())
def test_a_picture_made_to_break_readers_is_no_code(octets: bytes) -> None:
    assert codes(pictured(octets)) == ()


def test_only_so_many_pictures_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    real = Image.open

    def counted(file: io.BytesIO, **more: object) -> object:
        opened.append(1)
        return real(file, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", counted)
    octets = base64.b64encode(qr_png(TARGET)).decode()
    part = f"--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n{octets}\n"
    many = mail(part * 50 + "--b--", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')
    assert codes(many, QrLimits(pictures=3)) == (TARGET,)
    assert len(opened) == 3


def several(*pictures: bytes) -> str:
    parts = "".join(
        f"--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n{base64.b64encode(one).decode()}\n"
        for one in pictures
    )
    return mail(parts + "--b--", MIME_Version="1.0", Content_Type='multipart/mixed; boundary="b"')


def test_a_code_behind_pictures_that_cost_too_much_is_read_by_a_small_look() -> None:
    source = several(encoded(Image.new("L", (3_000, 3_000), 255)), qr_png(TARGET))
    assert codes(source, QrLimits(cpu_s=0.0)) == (TARGET,)


def test_a_large_picture_is_not_unpacked_when_the_time_is_spent() -> None:
    large = encoded(inside(qr_image(TARGET), (3_000, 3_000)))
    assert codes(several(large)) == (TARGET,)
    assert codes(several(large), QrLimits(cpu_s=0.0)) == ()
