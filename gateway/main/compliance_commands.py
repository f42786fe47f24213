"""``mailward audit``, ``hold``, ``retention`` and ``erase``: their options. What they do is imported when they run."""

import sys
from datetime import datetime
from pathlib import Path

import click

from gateway.main.overview import Listed

PLACES = ("inbox", "drafts", "sent", "junk", "trash", "archive", "quarantine")
STORE = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
BY = click.option("--by", default="command line", help="Who does this, for the audit trail.")
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group(cls=Listed)
def audit() -> None:
    """The audit trail: who did what, sealed entry by entry."""


@audit.command(name="list")
@STORE
@click.option("--about", default="", help="Only entries about this mail, address or name.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="The newest so many.")
@JSON
def audit_list(config_path: Path, about: str, limit: int, as_json: bool) -> None:
    """The newest entries.

    Example: mailward audit list --limit 20 --config mailward.toml
    """
    from gateway.main.auditing import list_entries

    sys.exit(list_entries(config_path, about=about, limit=limit, as_json=as_json))


@audit.command(name="verify")
@STORE
@click.option("--head", "seal", default="", help="A seal that was kept outside, from `audit head` or the log.")
@click.option("--seq", type=click.IntRange(min=1), help="The number of its entry.")
@JSON
def audit_verify(config_path: Path, seal: str, seq: int | None, as_json: bool) -> None:
    """Walk the chain of audit entries and say whether it holds.

    Example: mailward audit verify --seq 1200 --head 5f3c... --config mailward.toml
    """
    from gateway.main.auditing import verify

    if bool(seal) != bool(seq):
        raise click.UsageError("--head and --seq belong together")
    if seal and (len(seal) != 64 or set(seal.lower()) - set("0123456789abcdef")):
        raise click.UsageError("--head: 64 hexadecimal digits, as `mailward audit head` prints them")
    sys.exit(verify(config_path, seal=seal, seq=seq or 0, as_json=as_json))


@audit.command(name="head")
@STORE
@JSON
def audit_head(config_path: Path, as_json: bool) -> None:
    """The newest seal, to be kept outside: with it a cut end or a chain sealed anew shows.

    Example: mailward audit head --config mailward.toml
    """
    from gateway.main.auditing import show_head

    sys.exit(show_head(config_path, as_json=as_json))


@audit.command(name="export")
@STORE
@click.option("--names", is_flag=True, help="Also whom the pseudonyms mean: personal data.")
def audit_export(config_path: Path, names: bool) -> None:
    """Every entry as a JSON line with its seal; docs/retention.md says how to check them without us.

    Example: mailward audit export --config mailward.toml > audit.jsonl
    """
    from gateway.main.auditing import export

    sys.exit(export(config_path, names=names))


@click.group(cls=Listed)
def hold() -> None:
    """Legal holds: mail that must not go, whoever deletes it."""


@hold.command(name="place")
@click.argument("case")
@STORE
@click.option("--account", "accounts", multiple=True, help="A mailbox held as a whole, by its address.")
@click.option("--domain", "domains", multiple=True, help="All mailboxes of a domain.")
@click.option("--person", "people", multiple=True, help="Mail from or to this address, in whosever mailbox.")
@click.option("--from", "since", type=DAY, help="Received on this day or later (UTC).")
@click.option("--until", type=DAY, help="Received on this day or earlier (UTC).")
@click.option("--reason", default="", help="Why; it stands in the audit trail.")
@BY
def hold_place(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: str,
    config_path: Path,
    accounts: tuple[str, ...],
    domains: tuple[str, ...],
    people: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    reason: str,
    by: str,
) -> None:
    """Hold mail for a case. Accounts, domains and people add up; the days limit all of them.

    Example: mailward hold place case-7 --account ana@example.com --from 2026-01-01 --config mailward.toml
    """
    from gateway.main import compliance
    from gateway.main.failures import told_plainly
    from gateway.main.services import utc_now

    with told_plainly():
        now_ms = int(utc_now().timestamp() * 1000)
        made = compliance.Scope(accounts, domains, people, since, until).hold(case, reason, by, now_ms)
    sys.exit(compliance.place_hold(config_path, made))


@hold.command(name="list")
@STORE
@JSON
def hold_list(config_path: Path, as_json: bool) -> None:
    """The holds there are."""
    from gateway.main.compliance import list_holds

    sys.exit(list_holds(config_path, as_json=as_json))


@hold.command(name="show")
@click.argument("case")
@STORE
@JSON
def hold_show(case: str, config_path: Path, as_json: bool) -> None:
    """A hold, and how many mails it is about; reads them all."""
    from gateway.main.compliance import show_hold

    sys.exit(show_hold(config_path, case, as_json=as_json))


@hold.command(name="mail")
@click.argument("case")
@STORE
@click.option("--match", default="", help="Only mail with all these words in sender, recipients, subject or mailbox.")
@click.option(
    "--state", type=click.Choice(["mailbox", "kept back", "quarantine"]), help="Only mail that is there by now."
)
@JSON
def hold_mail(case: str, config_path: Path, match: str, state: str | None, as_json: bool) -> None:
    """List the mail a hold is about, also what its owners deleted.

    Example: mailward hold mail case-7 --state "kept back" --match invoice --config mailward.toml
    """
    from gateway.main.compliance import list_mail

    sys.exit(list_mail(config_path, case, match=match, state=state or "", as_json=as_json))


@hold.command(name="release")
@click.argument("case")
@STORE
@BY
def hold_release(case: str, config_path: Path, by: str) -> None:
    """End a hold; what only it kept goes with the next retention run."""
    from gateway.main.compliance import release_hold

    sys.exit(release_hold(config_path, case, by))


@hold.command(name="export")
@click.argument("case")
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, help="A new folder, or FILE.mbox.")
@STORE
@BY
def hold_export(case: str, target: Path, config_path: Path, by: str) -> None:
    """Write the mail of a hold with a manifest of SHA-256 sums.

    Example: mailward hold export case-7 --to case-7 --config mailward.toml
    """
    from gateway.main.compliance import export_hold

    sys.exit(export_hold(config_path, case, target, by))


@click.group(cls=Listed)
def retention() -> None:
    """How long mail is kept at least, and when it goes by itself."""


@retention.command(name="add")
@click.argument("name")
@STORE
@click.option("--keep-days", type=click.IntRange(min=0), default=0, help="Keep mail at least so long after receipt.")
@click.option(
    "--delete-days", type=click.IntRange(min=0), default=0,
    help="Delete mail so long after it came into the mailbox (or, without --mailbox, after receipt).",
)  # fmt: skip
@click.option("--mailbox", type=click.Choice(PLACES), help="Only this mailbox.")
@click.option("--domain", default="", help="Only accounts of this domain.")
@click.option("--account", default="", help="Only this account.")
@click.option("--reason", default="", help="Why; for people.")
@BY
def retention_add(  # noqa: PLR0913, PLR0917 - one parameter an option
    name: str,
    config_path: Path,
    keep_days: int,
    delete_days: int,
    mailbox: str | None,
    domain: str,
    account: str,
    reason: str,
    by: str,
) -> None:
    """Make a rule. Of several that keep a mail, and of several that delete it, the longest counts; keeping wins.

    Example: mailward retention add trash --mailbox trash --delete-days 30 --config mailward.toml
    """
    from gateway.main.compliance import add_rule
    from gateway.main.services import utc_now
    from store.retention.policy import bare
    from store.retention.rows import Rule

    now_ms = int(utc_now().timestamp() * 1000)
    made = Rule(
        name,
        keep_days,
        delete_days,
        bare(account) if account else "",
        domain.lower(),
        mailbox or "",
        reason,
        by,
        now_ms,
    )
    sys.exit(add_rule(config_path, made))


@retention.command(name="list")
@STORE
@JSON
def retention_list(config_path: Path, as_json: bool) -> None:
    """The rules there are."""
    from gateway.main.compliance import list_rules

    sys.exit(list_rules(config_path, as_json=as_json))


@retention.command(name="remove")
@click.argument("name")
@STORE
@BY
def retention_remove(name: str, config_path: Path, by: str) -> None:
    """Remove a rule; what only it kept goes with the next run."""
    from gateway.main.compliance import remove_rule

    sys.exit(remove_rule(config_path, name, by))


@retention.command(name="preview")
@STORE
@JSON
def retention_preview(config_path: Path, as_json: bool) -> None:
    """What the rules would delete now: how many mails, the oldest and the newest. Changes nothing."""
    from gateway.main.compliance import run_rules

    sys.exit(run_rules(config_path, is_preview=True, as_json=as_json))


@retention.command(name="run")
@STORE
@JSON
def retention_run(config_path: Path, as_json: bool) -> None:
    """Delete now what the rules say; `mailward serve` does so every hour by itself."""
    from gateway.main.compliance import run_rules

    sys.exit(run_rules(config_path, is_preview=False, as_json=as_json))


@click.command()
@click.argument("address", required=False)
@STORE
@click.option("--dry-run", is_flag=True, help="Only say what would go and what would be kept.")
@click.option("--reason", default="", help="Why, for the receipt: the request, its legal basis.")
@click.option("--receipt", type=click.Path(path_type=Path), help="Where to write it (erasure-TIME.json).")
@click.option("--check", type=click.Path(path_type=Path, exists=True), help="Check this receipt instead.")
@BY
def erase(
    address: str | None,
    config_path: Path,
    dry_run: bool,
    reason: str,
    receipt: Path | None,
    check: Path | None,
    by: str,
) -> None:
    """Erase a person: account, mail, traces, learning, reputation, names in the audit trail; write a receipt.

    What a legal hold or a retention rule keeps stays, and the receipt says so. Other people's mail is theirs.

    Example: mailward erase ana@example.com --reason "request of 3 March" --config mailward.toml
    """
    from gateway.main.erasing import check_receipt, erase_person

    if bool(address) == bool(check):
        raise click.UsageError("name an address to erase, or a receipt with --check")
    if check is not None:
        sys.exit(check_receipt(config_path, check))
    assert address is not None
    sys.exit(erase_person(config_path, address, by=by, reason=reason, to=receipt, is_dry=dry_run))
