"""Commands that look at or change the store: users, quarantine, queue, audit, explain, configuration."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli.verdicts import plain
from gateway.config import load
from gateway.learning.labels import label_of_octets
from gateway.main.failures import told_plainly
from gateway.main.services import reports_spam, utc_now
from gateway.main.storage import open_store, require_store
from gateway.observe.log import configure
from gateway.quarantine.acts import Quarantine
from store.changes.engine import Store
from store.quarantine import held as quarantine
from store.quarantine.held import NotHeld

COMMAND_LINE = "command line"

EXAMPLE = """\
[server]
hostname = "mx1.example.com"          # our name in greetings, Received and Authentication-Results
data = "data"                         # store and certificates, beside this file
# workers = 0                         # processes; 0 is one a core

[listen]
smtp = ["0.0.0.0:25"]
# submission = ["0.0.0.0:587"]          # people's mail programs send here (docs/outbound.md)
# submissions = ["0.0.0.0:465"]
imap = ["0.0.0.0:143"]
http = ["127.0.0.1:8025"]             # console and JMAP; put TLS in front, or use https below
# imaps = ["0.0.0.0:993"]
# https = ["0.0.0.0:443"]

# [tls]                               # without it STARTTLS uses a certificate that we sign ourselves
# certificate = "fullchain.pem"
# key = "privkey.pem"

[domain."example.com"]
deliver = "local"                     # or "smtp:10.0.0.5:25" to relay to
protect = ["Maria Koch <maria@example.com>"]
partners = ["partner.example"]

# [[rule]]                            # whose mail is treated how, with its tests beside it (docs/policy.md)
# name = "invoices-of-partner"
# when = { from_domain = "partner.example", authenticated = true }
# then = "deliver"
# because = "Partner's invoices are wanted"
# [[rule.test]]
# from = "billing@partner.example"
# authenticated = true
# expect = "deliver"

[traps]                               # learned from, never delivered; more of them: `mailward trap new`
addresses = []                        # "info@example.com", "*-old@example.com"
domains = []                          # whole domains, and those below them

[verdict]
junk = 0.60
hold = 0.85
refuse = 1.0                          # held mail can be released, refused mail is gone

[quarantine]
keep_days = 30                        # quarantine_days of a domain overrides it

[retention]                           # of records; how long mail is kept: `mailward retention`
trace_days = 0                        # 0 is for ever

[quota]                               # limits: `mailward user quota`, `mailward domain add --octets`
when_full = "later"                   # or "refuse": senders to a full mailbox get their mail back at once

[outbound]
relay = ""                            # "host:port" that takes mail for other domains (docs/outbound.md)

[auth]
trusted_sealers = []                  # "lists.example.com": forwarders whose ARC seals are believed
# seal_key = "arc.pem"                # mail that is handed on gets our own seal (docs/authentication.md)
# seal_domain = "example.com"
# seal_selector = "arc"

[pyzor]
servers = []                          # "public.pyzor.org:24441"; empty asks nobody
report = false                        # tell them digests of mail to traps and of confirmed spam

# [clamav]                            # a virus scanner beside us
# socket = "/run/clamav/clamd.ctl"

# [second_opinion]                    # a language model elsewhere that sees doubtful mail (docs/second-opinion.md)
# url = "http://127.0.0.1:11434/v1/chat/completions"
# model = "NAME"

[store]
url = ""                              # SQLite in server.data; or "rocksdb:PATH", "postgresql://USER@HOST/DATABASE",
                                      # "foundationdb:PATH?prefix=NAME" (docs/stores.md)
# blobs = "files:blobs"                # mails over 64 KiB: a folder, or "s3://BUCKET/PREFIX?endpoint=https://HOST"
# key_file = "store.key"               # encrypts mails; `mailward store key` makes one. Keep a copy elsewhere
"""


def with_store(config_path: Path, work: Callable[[Store], Awaitable[int]], *, existing: bool = False) -> int:
    """Open the configured store, do the work, close it. ``existing``: one that is not there is refused, not made."""
    configure("human")
    with told_plainly():
        config = load(config_path)
        if existing:
            require_store(config)

        async def run() -> int:
            store = await open_store(config)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())


def list_held(config_path: Path, *, as_json: bool) -> int:
    async def work(store: Store) -> int:
        for held in await store.read(lambda view: list(quarantine.by_doubt(view, 1_000))):
            to = [copy.address for copy in held.copies if copy.state == quarantine.HELD]
            if as_json:
                row: dict[str, Any] = {
                    "id": held.id,
                    "at": when(held.held_ms),
                    "category": held.category,
                    "why": held.why,
                }
                row |= {"probability": held.probability, "from": held.header_from, "subject": held.subject, "to": to}
                row["direction"] = "out" if held.is_outgoing else "in"
                print(json.dumps(row, ensure_ascii=False))
            else:
                who = plain(held.header_from or "<>", 30)
                way = "out" if held.is_outgoing else "in"
                said = plain(held.subject, 40)
                print(f"  {held.id}  {way:<3} {held.category:<6} {held.probability:.2f}  {who:<30}  {said}")
        return 0

    return with_store(config_path, work)


def settle_held(
    config_path: Path, reception: str, *, release: bool, learn: bool, addresses: tuple[str, ...] = ()
) -> int:
    """Release or delete a held mail: all its copies, or those for some addresses."""
    with told_plainly():
        config = load(config_path)

    async def work(store: Store) -> int:
        acts = Quarantine(store, label_of_octets, utc_now, reports_spam=reports_spam(config))
        try:
            moved = await (acts.release if release else acts.delete)(
                reception, COMMAND_LINE, addresses=addresses or None, learn=learn
            )
        except NotHeld:
            whom = f" for {', '.join(addresses)}" if addresses else ""
            print(f"mailward: no mail with the id {reception} is held{whom} (any more)", file=sys.stderr)
            return 1
        print(f"  {'released to' if release else 'deleted for'} {', '.join(copy.address for copy in moved)}")
        return 0

    return with_store(config_path, work)


def when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
