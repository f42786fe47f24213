"""SMTP in to durable in the store, judged: mails a second with many sessions, and the server's CPU a mail.

Usage: python -m benchmarks.smtp_delivery [--mails 4000] [--sessions 32] [--octets 4096] [--workers 2]
"""

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.dns.zone import Zone
from store.mailfiles import read_mails
from store.message.body import part_text, text_bodies
from store.message.mime import parse_message
from tests.support.gateway import Gateway, dns_server, serving
from training.corpus.sample import Label
from training.modern import compose


def paragraphs() -> list[str]:
    """What people write to each other at work, from the mails that we composed for training; English only."""
    found: list[str] = []
    for composed in compose.mails(2, 1, held_out=False):
        message = parse_message(composed.octets)
        if composed.label is Label.HAM and "text/plain" in {part.type for part in text_bodies(message)}:
            text = "\n".join(part_text(message, part) for part in text_bodies(message))
            found += [block for block in text.split("\n\n") if 60 < len(block) < 700 and block.isascii()]
    return found


def mail(number: int, octets: int, chance: random.Random, pool: list[str]) -> bytes:
    """A plausible business mail of about this size; each one different, so that nothing is deduplicated."""
    head = (
        f"From: Bob Baker <bob{number % 50}@partner.example>\r\nTo: ana@example.com\r\n"
        f"Subject: {chance.choice(pool).split(chr(10))[0][:40].strip()}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}.{chance.getrandbits(64):x}@partner.example>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\nHello Ana,\r\n\r\n"
    )
    blocks: list[str] = []
    size = len(head)
    while size < octets:
        blocks.append(chance.choice(pool))
        size += len(blocks[-1]) + 4
    return (head + "\r\n\r\n".join(blocks).replace("\r\n", "\n").replace("\n", "\r\n") + "\r\n").encode()


def from_corpus(folder: Path, most: int, chance: random.Random) -> list[bytes]:
    """Real mails as they go after DATA: CRLF, dots stuffed."""
    found = [m.octets for m in read_mails(folder) if 2_500 < len(m.octets) < 6_000]
    chance.shuffle(found)
    lines = [re.sub(rb"\r?\n|\r", b"\r\n", octets) for octets in found[:most]]
    return [octets.replace(b"\r\n.", b"\r\n..") + b"\r\n" for octets in lines]


async def session(address: tuple[str, int], mails: list[bytes], took: list[float]) -> int:
    """One connection that sends mails one after another, envelope pipelined; how many were accepted."""
    reader, writer = await asyncio.open_connection(*address)
    await reader.readline()
    writer.write(b"EHLO mx.partner.example\r\n")
    while not (await reader.readline()).startswith(b"250 "):
        pass
    accepted = 0
    for octets in mails:
        start = time.perf_counter()
        writer.write(b"MAIL FROM:<bob@partner.example>\r\nRCPT TO:<ana@example.com>\r\nDATA\r\n")
        for _ in range(3):
            await reader.readline()
        writer.write(octets + b".\r\n")
        reply = await reader.readline()
        took.append(time.perf_counter() - start)
        accepted += reply.startswith(b"250")
    writer.write(b"QUIT\r\n")
    writer.close()
    return accepted


def cpu_seconds(pids: list[int]) -> float:
    tick = os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / tick
    return total


def resident_mb(pids: list[int]) -> list[float]:
    page = os.sysconf("SC_PAGE_SIZE")
    return [round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page / 1e6, 1) for pid in pids]


def load(gateway: Gateway, mails: list[bytes], sessions: int) -> dict[str, object]:
    pids = gateway.worker_pids()
    before = cpu_seconds(pids)
    took: list[float] = []

    async def run() -> int:
        shares = [mails[i::sessions] for i in range(sessions)]
        return sum(await asyncio.gather(*(session(gateway.listen["smtp"], share, took) for share in shares)))

    start = time.perf_counter()
    accepted = asyncio.run(run())
    seconds = time.perf_counter() - start
    took.sort()
    return {
        "mails_s": round(accepted / seconds, 1),
        "accepted": accepted,
        "cpu_ms_a_mail": round((cpu_seconds(pids) - before) / max(1, accepted) * 1000, 2),
        "p50_ms": round(statistics.median(took) * 1000, 1),
        "p99_ms": round(took[int(len(took) * 0.99)] * 1000, 1),
        "worker_rss_mb": resident_mb(pids),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mails", type=int, default=4_000)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--octets", type=int, default=4_096)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--corpus", type=Path, help="folder of mails to send instead, those of 2.5 to 6 kB")
    options = parser.parse_args()
    chance = random.Random(1)
    if options.corpus:
        mails = from_corpus(options.corpus, options.mails + 200, chance)
    else:
        pool = paragraphs()
        mails = [mail(n, options.octets, chance, pool) for n in range(options.mails + 200)]
    zone = Zone.of({"partner.example": {"TXT": ["v=spf1 -all"]}})
    with (
        tempfile.TemporaryDirectory() as folder,
        dns_server(zone) as dns,
        serving(Path(folder), dns, workers=options.workers) as gateway,
    ):
        gateway.add_user("ana@example.com")
        time.sleep(3)  # the workers load what the first mail would wait for
        load(gateway, mails[:200], 8)
        result = load(gateway, mails[200:], options.sessions)
        sound = subprocess.run(
            [sys.executable, "-m", "gateway.main", "fsck", "--config", str(gateway.config)],
            capture_output=True,
            check=False,
        )
    print(json.dumps({"benchmark": "smtp_delivery", "sessions": options.sessions, "octets": options.octets,
                      "workers": options.workers, **result, "fsck": sound.returncode}))  # fmt: skip


if __name__ == "__main__":
    main()
