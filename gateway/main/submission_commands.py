"""``mailward submission`` and ``mailward dkim``: who may send, and what signs it."""

import json
import sys
from pathlib import Path

import click

from gateway.main.overview import Listed
from gateway.main.people_commands import JSON, STORE


@click.group(cls=Listed)
def submission() -> None:
    """Accounts that may not send."""


@submission.command(name="list")
@STORE
@JSON
def submission_list(config_path: Path, as_json: bool) -> None:
    """Which accounts may not send, since when and why.

    Example: mailward submission list --config mailward.toml
    """
    sys.exit(list_suspended(config_path, as_json=as_json))


@submission.command(name="suspend")
@click.argument("address")
@STORE
@click.option("--because", default="by hand", help="Why; stands in the audit trail.")
def submission_suspend(address: str, config_path: Path, because: str) -> None:
    """Keep an account from sending; it goes on receiving.

    Example: mailward submission suspend ana@example.com --because "stolen laptop" --config mailward.toml
    """
    sys.exit(suspend_account(config_path, address, because))


@submission.command(name="lift")
@click.argument("address")
@STORE
def submission_lift(address: str, config_path: Path) -> None:
    """Let an account send again, with its unwanted mails forgotten. Give it a new password first.

    Example: mailward submission lift ana@example.com --config mailward.toml
    """
    sys.exit(lift_account(config_path, address))


@click.group(cls=Listed)
def dkim() -> None:
    """Keys that sign outgoing mail."""


@dkim.command(name="new")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--domain", required=True, help="The domain that signs.")
@click.option("--selector", required=True, help="The key's name in the DNS.")
@click.option("--ed25519", is_flag=True, help="A short key; use it beside an RSA key (RFC 8463).")
def dkim_new(file: Path, domain: str, selector: str, ed25519: bool) -> None:
    """Write a new private key to a file, and print the DNS record that goes with it.

    Example: mailward dkim new dkim.pem --domain example.com --selector mail1
    """
    sys.exit(make_key(file, domain, selector, is_short=ed25519))


@dkim.command(name="show")
@STORE
@JSON
def dkim_show(config_path: Path, as_json: bool) -> None:
    """Print the DNS records of the configured keys.

    Example: mailward dkim show --config mailward.toml
    """
    sys.exit(show_keys(config_path, as_json=as_json))


def list_suspended(config_path: Path, *, as_json: bool) -> int:
    from gateway.main.administration import when, with_store
    from gateway.outbound.suspension import SUSPEND
    from store.changes.engine import Store
    from store.policy import entries

    async def work(store: Store) -> int:
        for entry in await store.read(entries.everything):
            if entry.kind != SUSPEND:
                continue
            since = when(entry.created_ms)
            if as_json:
                row = {"address": entry.subject, "since": since, "by": entry.owner, "because": entry.reason}
                print(json.dumps(row, ensure_ascii=False))
            else:
                print(f"  {entry.subject:<40} since {since} by {entry.owner}: {entry.reason}")
        return 0

    return with_store(config_path, work)


def suspend_account(config_path: Path, address: str, because: str) -> int:
    from gateway.main.administration import COMMAND_LINE
    from gateway.main.people import account_of, change
    from gateway.outbound.suspension import suspend
    from gateway.settings import Config
    from store.changes.engine import StoreTxn

    def body(txn: StoreTxn, _: Config) -> str:
        account = account_of(txn.kv, address)
        suspend(txn, account.address, COMMAND_LINE, because, txn.now_ms)
        return f"{account.address} may not send any more; `mailward submission lift {account.address}` changes that"

    return change(config_path, body)


def lift_account(config_path: Path, address: str) -> int:
    from gateway.main.administration import COMMAND_LINE
    from gateway.main.people import Refused, account_of, change
    from gateway.outbound.suspension import lift
    from gateway.settings import Config
    from store.changes.engine import StoreTxn

    def body(txn: StoreTxn, _: Config) -> str:
        account = account_of(txn.kv, address)
        if not lift(txn, account.address, account.id, COMMAND_LINE, txn.now_ms):
            raise Refused(f"{account.address} may send already; `mailward submission list` shows who may not")
        return f"{account.address} may send again"

    return change(config_path, body)


def make_key(file: Path, domain: str, selector: str, *, is_short: bool) -> int:
    import os

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    from gateway.mailauth.sign import load_signer

    key = ed25519.Ed25519PrivateKey.generate() if is_short else rsa.generate_private_key(65_537, 2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        print(f"mailward: {file}: {error.strerror}; name a file that is not there yet", file=sys.stderr)
        return 2
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(pem)
    print(zone_line(load_signer(pem, domain, selector).record, domain, selector))
    return 0


def show_keys(config_path: Path, *, as_json: bool) -> int:
    from gateway.config import load
    from gateway.main.failures import told_plainly
    from gateway.main.submitting import signers_of

    with told_plainly():
        for signers in signers_of(load(config_path)).values():
            for each in signers:
                if as_json:
                    print(json.dumps({"name": f"{each.selector}._domainkey.{each.domain}", "txt": each.record}))
                else:
                    print(zone_line(each.record, each.domain, each.selector))
    return 0


def zone_line(record: str, domain: str, selector: str) -> str:
    """A line for a zone file: strings of at most 255 octets (RFC 1035 §3.3.14)."""
    pieces = " ".join(f'"{record[at : at + 250]}"' for at in range(0, len(record), 250))
    return f"{selector}._domainkey.{domain}. IN TXT ( {pieces} )"
