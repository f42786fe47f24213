"""The public mail that models are trained on, from clones: ``python -m training.corpus.collect --from DIR --to DIR``.

Other people's mail is not in the repository. datasets/manifest.toml says which files of which public repositories it
is; this reads them out of clones (nothing is downloaded), makes whole mails of templates, removes near copies, checks
counts and hashes against datasets/manifest.lock.json, and writes DIR/source/label/*.eml with DIR/index.jsonl.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from training.corpus.catalogues import Unreadable
from training.corpus.clones import MissingClone
from training.corpus.harvest import Found, harvest
from training.corpus.manifest import BadManifest, Source, load, read_lock
from training.corpus.sample import Label, Mail
from training.corpus.split import Seen

MANIFEST = Path(__file__).parents[2] / "datasets" / "manifest.toml"
INDEX = "index.jsonl"


class NotCollected(Exception):
    """The folder holds no collected mail. The message says how to make it."""


class Entry(msgspec.Struct, frozen=True):
    """One line of the index."""

    path: str
    source: str
    label: Label
    language: str
    kind: str
    era: str
    family: str
    key: str


def read_collected(root: Path, languages: Collection[str] = ()) -> Iterator[tuple[Entry, Mail]]:
    """The mails that ``collect`` wrote, or those in some languages and of mixed ones. Raises NotCollected.

    Nearly all of them are legitimate: train on the languages that unwanted mail is known in, or the model learns that
    the others are always wanted.
    """
    try:
        lines = (root / INDEX).read_bytes().splitlines()
        for line in lines:
            entry = msgspec.json.decode(line, type=Entry)
            if languages and entry.language not in languages and entry.language != "mul":
                continue
            octets = (root / entry.path).read_bytes()
            yield entry, Mail(octets, entry.label, entry.source, entry.family)
    except (OSError, msgspec.DecodeError) as error:
        raise NotCollected(f"{root}: {error}: run python -m training.corpus.collect --to {root} again") from error


def collect(sources: list[Source], root: Path, out: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Write the mails of all sources. Returns what each gave, and a sentence for each that gave none."""
    gave: dict[str, dict[str, Any]] = {}
    missing: list[str] = []
    seen = Seen()
    out.mkdir(parents=True, exist_ok=True)
    with (out / INDEX).open("wb") as index:
        for source in sources:
            try:
                mails = list(harvest(source, root, seen))
            except (MissingClone, Unreadable) as error:
                missing.append(f"{source.name}: {error}")
                continue
            for mail in mails:
                index.write(msgspec.json.encode(_write(source, mail, out)) + b"\n")
            gave[source.name] = summary(mails)
    return gave, missing


def summary(mails: list[Found]) -> dict[str, Any]:
    """Count, languages, labels and the hash over the bodies of a source's mails, as the source has them."""
    keys = "\n".join(sorted(f"{m.origin} {m.language}" for m in mails))
    return {
        "count": len(mails),
        "labels": dict(sorted(Counter(str(m.take.label) for m in mails).items())),
        "languages": dict(sorted(Counter(m.language for m in mails).items())),
        "sha256": hashlib.sha256(keys.encode()).hexdigest(),
    }


def differences(gave: dict[str, dict[str, Any]], lock: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A sentence for each source that is not what it was."""
    for name, now in gave.items():
        then = lock.get(name)
        if then is None:
            yield f"{name}: not in the lock file; write it with --lock"
        elif now["count"] != then["count"]:
            yield f"{name}: {now['count']} mails instead of {then['count']}: is the commit the one of the manifest?"
        elif now["sha256"] != then["sha256"]:
            yield f"{name}: {now['count']} mails as before, but other bodies: is the commit the one of the manifest?"


def _write(source: Source, mail: Found, out: Path) -> Entry:
    label = mail.take.label
    folder = out / source.name / label
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{mail.language}-{mail.key[:16]}.eml"
    path.write_bytes(mail.octets)
    where = path.relative_to(out).as_posix()
    return Entry(where, source.name, label, mail.language, mail.take.kind, source.era, mail.family, mail.key)


@click.command(help=__doc__)
@click.option("--manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=MANIFEST)
@click.option("--from", "root", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--to", "out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--only", multiple=True, help="name of a source; may be given several times")
@click.option("--lock", is_flag=True, help="write what was found to the lock file instead of checking it")
def main(manifest: Path, root: Path, out: Path, only: tuple[str, ...], lock: bool) -> None:
    try:
        sources = [s for s in load(manifest) if not only or s.name in only]
        known = read_lock(manifest.with_suffix(".lock.json"))
    except BadManifest as error:
        raise click.ClickException(str(error)) from error
    gave, wrong = collect(sources, root, out)
    if lock:
        known = known | gave if only else gave
        manifest.with_suffix(".lock.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(dict(sorted(known.items()))), indent=1) + b"\n"
        )
    else:
        wrong += differences(gave, known)
    for name, one in gave.items():
        click.echo(f"{name:24} {one['count']:6}  {one['labels']}  {len(one['languages'])} languages")
    click.echo(f"{sum(one['count'] for one in gave.values())} mails in {out}")
    for sentence in wrong:
        click.echo(sentence, err=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
