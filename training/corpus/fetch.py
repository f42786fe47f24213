"""Mail of a server as a folder to train on: ``python -m training.corpus.fetch imaps://ann@mail.example/Junk --to DIR``.

Addresses: ``imaps://user@host[:port]/Mailbox`` or ``https://user@host[:port]/Mailbox`` for JMAP, where the mailbox may
be a role such as junk. The password is read from standard input. Nothing is changed on the server, not even flags.
Then: ``mailward train --ham DIR --spam DIR``.
"""

import hashlib
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import click

from training.corpus.imap import MAILS, ImapAccount, read_imap
from training.corpus.jmap import JmapAccount, read_jmap
from training.corpus.readers import UnreadableCorpus
from training.corpus.sample import Label, Mail
from training.progress import bars


def read_address(address: str, password: str, most: int = MAILS) -> Iterator[Mail]:
    """The mails an address names, unlabelled as far as this knows. Raises UnreadableCorpus."""
    at = urllib.parse.urlsplit(address)
    user, mailbox = urllib.parse.unquote(at.username or ""), urllib.parse.unquote(at.path.lstrip("/"))
    try:
        host, port = at.hostname or "", at.port
    except ValueError as error:
        raise UnreadableCorpus(f"{address}: {error}") from error
    if not user or not host or at.password:
        raise UnreadableCorpus("give the address as imaps://user@host/Mailbox, and the password on standard input")
    if at.scheme in ("imap", "imaps"):
        tls = at.scheme == "imaps"
        account = ImapAccount(host, user, password, port or (993 if tls else 143), tls)
        return read_imap(account, mailbox or "INBOX", Label.LEGITIMATE, most)
    if at.scheme in ("http", "https"):
        base = f"{at.scheme}://{at.netloc.rpartition('@')[2]}"
        return read_jmap(JmapAccount(base, user, password), mailbox or "inbox", Label.LEGITIMATE, most)
    raise UnreadableCorpus(f"{at.scheme!r} is not known: the address begins with imaps:// or https://")


@click.command(help=__doc__)
@click.argument("address")
@click.option("--to", "out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--most", type=click.IntRange(min=1), default=MAILS, show_default=True, help="newest mails to read")
def main(address: str, out: Path, most: int) -> None:
    password = sys.stdin.readline().rstrip("\r\n")
    progress, count = bars(), 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        for mail in read_address(address, password, most):
            (out / f"{hashlib.sha256(mail.octets).hexdigest()[:24]}.eml").write_bytes(mail.octets)
            count += 1
            if count % 50 == 0:
                progress("mails read", count, most)
    except (UnreadableCorpus, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} mails in {out}")


if __name__ == "__main__":
    main()
