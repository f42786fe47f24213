"""``mailward scan`` and ``mailward try``."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
from tqdm import tqdm

from gateway.cli import report
from gateway.cli.report import Row
from gateway.cli.verdicts import line, table
from gateway.config import load
from gateway.main.failures import told_plainly
from gateway.main.offline import Judged, OfflineJudge, Told, check_told
from gateway.observe.log import configure
from gateway.pipeline.verdict import Action
from gateway.sentences.phrases import of_locale
from gateway.settings import Config
from store.mailfiles import MailFile, count_mails, read_mails, without_mbox_line


def configured(config_path: Path | None, model: Path | None) -> Config:
    config = load(config_path) if config_path is not None else Config()
    if model is not None:
        config = msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, directory=str(model)))
    return config


def scan(
    files: Iterable[str], config_path: Path | None, model: Path | None, told: Told, *, use_dns: bool, as_json: bool
) -> int:
    """Judge files one by one; 1 when any would not have been delivered, 3 when any could not be read."""
    configure("human")
    with told_plainly():
        check_told(told)
        config = configured(config_path, model)
        return asyncio.run(_scan(files, config, told, use_dns=use_dns, as_json=as_json))


async def _scan(files: Iterable[str], config: Config, told: Told, *, use_dns: bool, as_json: bool) -> int:
    found = 0
    language = of_locale(os.environ, config.verdict.language)
    async with OfflineJudge(config, use_dns=use_dns) as judge:
        for mail in _opened(files):
            judged = await _judge(judge, mail, told)
            if as_json:
                print(json.dumps(judged.as_json(), ensure_ascii=False), flush=True)
            elif judged.judgement is None:
                print(f"{mail.path}: {judged.error}", file=sys.stderr)
            else:
                print(table(mail.path, judged.judgement.verdict, judge.policy, language) + "\n")
            if judged.judgement is None:
                found = 3
            elif judged.judgement.verdict.action is not Action.ACCEPT:
                found = max(found, 1)
    return found


def _opened(files: Iterable[str]) -> Iterable[MailFile]:
    for name in files:
        if name == "-":
            yield MailFile("-", without_mbox_line(sys.stdin.buffer.read()))
            continue
        try:
            yield MailFile(name, without_mbox_line(Path(name).read_bytes()))
        except OSError as error:
            yield MailFile(name, b"", error.strerror or str(error))


async def _judge(judge: OfflineJudge, mail: MailFile, told: Told) -> Judged:
    if mail.error:
        return Judged(mail.path, None, None, {}, mail.error)
    return await judge.judge(mail.path, mail.octets, told)


def try_path(
    path: Path, config_path: Path | None, model: Path | None, report_path: Path | None, *, limit: int, as_json: bool
) -> int:
    """Judge everything under a path and write the report; 1 when mails could not be judged."""
    configure("human")
    with told_plainly():
        config = configured(config_path, model)
        return asyncio.run(_try(path, config, report_path, limit=limit, as_json=as_json))


async def _try(path: Path, config: Config, report_path: Path | None, *, limit: int, as_json: bool) -> int:
    rows: list[Row] = []
    errors = asked = 0
    started = time.perf_counter()
    total = count_mails(path)
    async with OfflineJudge(config) as judge:
        with tqdm(total=min(total, limit) if total and limit else total, unit=" mails", disable=None) as bar:
            for mail in read_mails(path):
                judged = await _judge(judge, mail, Told())
                bar.update()
                if as_json:
                    print(json.dumps(judged.as_json(), ensure_ascii=False), flush=True)
                if judged.judgement is None:
                    errors += 1
                    bar.write(f"{mail.path}: {judged.error}", file=sys.stderr)
                else:
                    rows.append(_row(judged))
                    asked += judged.judgement.asked_language_model
                if limit and len(rows) + errors >= limit:
                    break
        thresholds = judge.policy.thresholds
    summary = report.summarise(rows, errors, time.perf_counter() - started, asked)
    if not as_json:
        _print_table(rows)
        print(report.text(summary))
    if report_path is not None or not as_json:
        where = report_path or Path("mailward-try.html")
        limits = (thresholds.junk, thresholds.hold, thresholds.refuse)
        where.write_text(report.page(f"mailward try {path}", rows, summary, limits), "utf-8")
        print(f"  report: {where}", file=sys.stderr if as_json else sys.stdout)
    return 1 if errors else 0


def _print_table(rows: list[Row]) -> None:
    """The mails worth a look: the ten most doubtful."""
    print("  most doubtful:")
    for row in sorted(rows, key=lambda r: abs(r.probability - 0.6))[:10]:
        print(line("", row.category, row.action, row.probability, row.sender, row.subject, row.why))


def _row(judged: Judged) -> Row:
    assert judged.judgement is not None and judged.facts is not None
    verdict, content = judged.judgement.verdict, judged.facts.content
    side = 1 if verdict.action else -1
    why = next((r.sentence for r in verdict.reasons if r.nats * side > 0 and r.signal != "prior"), "")
    return Row(
        judged.path,
        content.from_[0].email if content.from_ else "",
        judged.facts.view.subject,
        verdict.action.name.lower(),
        verdict.category,
        verdict.probability,
        why,
        judged.ms,
    )
