"""QR codes for tests: as a picture, and drawn with block characters as some senders do."""

import io

import zxingcpp
from PIL import Image


def qr_image(text: str, scale: int = 4) -> Image.Image:
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(zxingcpp.write_barcode_to_image(code, scale=scale))  # type: ignore[arg-type]


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def qr_png(text: str) -> bytes:
    return encoded(qr_image(text))


def drawn(text: str, halves: bool) -> str:
    image = qr_image(text, scale=1)
    width, height = image.size
    dark = [[x < width and y < height and image.getpixel((x, y)) == 0 for x in range(width)] for y in range(height + 1)]
    if not halves:
        return "\n".join("".join("██" if cell else "  " for cell in row) for row in dark[:height])
    pairs = zip(dark[0:height:2], dark[1 : height + 1 : 2], strict=True)
    return "\n".join(
        "".join(" ▄▀█"[2 * upper + lower] for upper, lower in zip(one, two, strict=True)) for one, two in pairs
    )
