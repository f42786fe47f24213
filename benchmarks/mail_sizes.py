"""What judging a mail costs by its size: CPU milliseconds, by stage, for text, for HTML and for an attachment.

python -m benchmarks.mail_sizes [--model DIR] [--seconds 2]
"""

import argparse
import asyncio
import base64
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from gateway.main.offline import OfflineJudge
from gateway.settings import Config, Model

SIZES = (1_000, 5_000, 50_000, 500_000, 5_000_000)
WORDS = (Path(__file__).parent / "words.txt").read_text().split()
HEAD = (
    "Return-Path: <bob@partner.example>\r\nReceived: from mx.partner.example ([192.0.2.7]) by mx.example.com;"
    " Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Bob Baker <bob@partner.example>\r\nTo: ana@example.com\r\n"
    "Subject: The offer for the spring delivery\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    "Message-ID: <1@partner.example>\r\nMIME-Version: 1.0\r\n"
)


def prose(octets: int) -> str:
    chance = random.Random(octets)
    lines: list[str] = []
    size = 0
    while size < octets:
        lines.append(" ".join(chance.choices(WORDS, k=11)))
        size += len(lines[-1]) + 2
    return "\r\n".join(lines)


def text(octets: int) -> bytes:
    return f"{HEAD}Content-Type: text/plain; charset=utf-8\r\n\r\n{prose(octets - len(HEAD))}\r\n".encode()


def markup(octets: int) -> bytes:
    """A newsletter: a table row with a link for every two lines of text."""
    lines = prose((octets - len(HEAD)) * 2 // 3).split("\r\n")
    rows = [
        f'<tr><td style="padding:4px">{line}</td><td><a href="https://www.partner.example/{n}">More</a></td></tr>'
        if n % 2
        else f"<tr><td colspan=2>{line}</td></tr>"
        for n, line in enumerate(lines)
    ]
    page = "<html><body><table>\r\n" + "\r\n".join(rows) + "\r\n</table></body></html>\r\n"
    return f"{HEAD}Content-Type: text/html; charset=utf-8\r\n\r\n{page}".encode()


def attached(octets: int) -> bytes:
    """A short text and one PDF that fills the rest."""
    content = b"%PDF-1.7\n" + random.Random(octets).randbytes(max(100, (octets - 1_500) * 57 // 78))
    return (
        f'{HEAD}Content-Type: multipart/mixed; boundary="=b"\r\n\r\n--=b\r\nContent-Type: text/plain\r\n\r\n'
        f"{prose(600)}\r\n--=b\r\nContent-Type: application/pdf; name=offer.pdf\r\n"
        "Content-Disposition: attachment; filename=offer.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + base64.encodebytes(content).replace(b"\n", b"\r\n") + b"--=b--\r\n"  # fmt: skip


SHAPES: dict[str, Callable[[int], bytes]] = {"text": text, "html": markup, "attachment": attached}


async def measure(config: Config, seconds: float) -> None:
    async with OfflineJudge(config) as judge:
        for shape, make in SHAPES.items():
            for size in SIZES:
                octets = make(size)
                print(json.dumps({"benchmark": "mail_sizes", "shape": shape, **await cost(judge, octets, seconds)}))


async def cost(judge: OfflineJudge, octets: bytes, seconds: float) -> dict[str, object]:
    """The same mail again and again for a while; nothing about it is kept between two judgements."""
    used: list[float] = []
    stages: dict[str, list[float]] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(used) < 3:
        start = time.process_time()
        judged = await judge.judge("", octets)
        used.append((time.process_time() - start) * 1000)
        for name, ms in judged.ms.items():
            stages.setdefault(name, []).append(ms)
    return {
        "octets": len(octets),
        "cpu_ms": round(statistics.median(used), 2),
        "runs": len(used),
        "stage_wall_ms": {name: round(statistics.median(each), 2) for name, each in stages.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="model directory; the packaged one without it")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each mail")
    given = parser.parse_args()
    asyncio.run(measure(Config(model=Model(directory=given.model)), given.seconds))


if __name__ == "__main__":
    main()
