"""Deliveries as the gateway commits them, judgement aside: digested, staged, then filed and traced at once.

What a measurement of the store sends: mails of one size, each different, in the form they have once stamped.
"""

import asyncio
import random
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.delivery.commit import AT_ONCE_OCTETS
from gateway.delivery.local import LocalCopy, deliver_copies
from store.accounts import account as accounts
from store.blob.contract import Staged
from store.changes.engine import AccountId, Store, StoreTxn
from store.mail.emails import NewEmail
from store.mail.model import EmailId
from store.mail.parsing import Digest, digest_octets
from store.trace import rows as trace
from store.trace.rows import OutcomeRow, ReasonRow, Trace

START_MS = 1_795_341_600_000  # 22 November 2026, 10:00 UTC
_WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "with",
    "as",
    "was",
    "on",
    "be",
    "by",
    "this",
    "are",
    "from",
    "at",
    "or",
    "have",
    "not",
    "your",
    "we",
    "can",
    "which",
    "our",
    "order",
    "invoice",
    "meeting",
    "Tuesday",
    "report",
    "project",
    "please",
    "find",
    "attached",
    "regards",
    "team",
    "delivery",
    "address",
    "question",
    "answer",
    "month",
    "budget",
    "contract",
    "number",
    "customer",
    "office",
    "draft",
    "review",
    "version",
    "change",
    "price",
    "offer",
    "week",
    "plan",
    "travel",
    "hotel",
    "train",
    "server",
    "update",
    "network",
    "support",
    "ticket",
    "account",
    "login",
    "access",
    "document",
    "signature",
    "page",
    "table",
    "figure",
    "result",
    "test",
]

#: As ``gateway.delivery.headers`` writes them.
_STAMPED = """\
Return-Path: <bob{who}@partner.example>
X-Mailward-Id: {reception}
X-Mailward-Verdict: ham; action=accept; p=0.0123
X-Mailward-Why: The sender is authentic (-2.1); you have written to this address before (-1.4);
 the words are those of ordinary mail (-3.2)
X-Spam-Flag: NO
X-Spam-Score: -4.4
X-Spam-Status: No, score=-4.4 required=0.4 tests=auth.dmarc-pass,history.known,words.ham
Authentication-Results: mx.example.com; spf=pass smtp.mailfrom=partner.example;
 dkim=pass header.d=partner.example header.s=s1 header.a=rsa-sha256; dmarc=pass header.from=partner.example
Received-SPF: pass (mx.example.com: domain of bob{who}@partner.example designates 198.51.100.25)
 client-ip=198.51.100.25; envelope-from="bob{who}@partner.example"; helo=mx.partner.example
Received: from mx.partner.example (mx.partner.example [198.51.100.25]) by mx.example.com
 with ESMTPS id {reception} for <user{number}@example.com>; Sun, 22 Nov 2026 10:00:00 +0000
"""
_HEAD = """\
From: Bob Baker <bob{who}@partner.example>
To: User <user{number}@example.com>, Carla Diaz <carla@partner.example>
Subject: {subject}
Date: Sun, 22 Nov 2026 10:00:00 +0000
Message-ID: <{number}.{salt:x}@partner.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

"""


def mails(octets: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Reception ids and mails of about this size for ever; the text is drawn from 64 KiB of words, so it is cheap."""
    chance = random.Random(seed)
    text = " ".join(chance.choice(_WORDS) for _ in range(12_000))
    lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    salt = chance.getrandbits(40)
    number = 0
    while True:
        number += 1
        reception = f"{salt:010x}{number:08}"
        at = chance.randrange(len(lines) - octets)
        form = (_STAMPED + _HEAD).replace("\n", "\r\n")
        head = form.format(
            who=number, reception=reception, number=number, salt=salt, subject=text[at % 60_000 :][:40].strip()
        ).encode()
        yield reception, head + lines[at : at + max(0, octets - len(head) - 2)].encode() + b"\r\n"


async def make_accounts(store: Store, count: int) -> list[AccountId]:
    """Accounts to deliver to, made when they are not there."""

    def body(txn: StoreTxn) -> list[AccountId]:
        return [
            accounts.create(txn, f"user{n}@example.com", f"User {n}", "", START_MS // 1000).id for n in range(count)
        ]

    present = await store.read(lambda view: [each.id for each in accounts.all_accounts(view)])
    return present if len(present) >= count else await store.write(body)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail for one account, as ``gateway.delivery.commit`` lands what was accepted."""

    store: Store
    threads: Executor

    async def deliver(self, account: AccountId, reception: str, octets: bytes) -> EmailId:
        """Durable when it returns. Raises StoreUnavailable."""
        if len(octets) <= AT_ONCE_OCTETS:
            digest = digest_octets(octets)
        else:
            digest = await asyncio.get_running_loop().run_in_executor(self.threads, digest_octets, octets)
        staged = await self.store.blobs.stage(octets)
        return await self.store.write(_Unit(account, reception, staged, digest).run)


@dataclass(frozen=True, slots=True)
class _Unit:
    account: AccountId
    reception: str
    staged: Staged
    digest: Digest

    def run(self, txn: StoreTxn) -> EmailId:
        blob = txn.keep(self.staged)
        copy = LocalCopy(self.account, "inbox")
        new = NewEmail(blob, self.digest, START_MS, reception=self.reception)
        email = deliver_copies(txn, [copy], new)[self.account]
        address = f"user{self.account}@example.com"
        outcome = OutcomeRow(address, self.account, "", "accept", email)
        trace.put(
            txn,
            replace(
                _TRACE,
                id=self.reception,
                subject=self.digest.subject,
                size=self.staged.size,
                blob=self.staged.id,
                outcomes=(outcome,),
            ),
        )
        return email


_TRACE = Trace(
    id="",
    received_ms=START_MS,
    ip="198.51.100.25",
    helo="mx.partner.example",
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    mail_from="bob@partner.example",
    header_from="Bob Baker <bob@partner.example>",
    subject="",
    size=0,
    blob=None,
    category="ham",
    action="accept",
    probability=0.0123,
    rule="",
    reasons=(
        ReasonRow("prior", 0.0, "Before anything is known, a mail is as likely to be wanted as not"),
        ReasonRow("auth.dmarc-pass", -2.1, "The sender is authentic: DMARC passes for partner.example"),
        ReasonRow("history.known", -1.4, "You have had wanted mail from this sender before"),
        ReasonRow("words.ham", -3.2, "The words are those of ordinary mail: meeting, report, project"),
    ),
    model_ids=("words-2026-11-20", "combiner-2026-11-20"),
    policy_id="default",
    auth=b'{"spf_mailfrom":{"result":"pass","domain":"partner.example"},"dkim":[{"result":"pass"}],"dmarc":"pass"}',
    outcomes=(),
    ms={"parse": 0.4, "content": 0.1, "auth": 0.2, "history": 0.2, "checks": 0.6, "words": 0.6, "language": 0.0},
)
