"""Building the packaged model: ``python -m gateway.main.packaging --spamassassin DIR --enron DIR ...``.

For those who develop the product. It stands here because the signal weights are fitted on what the gateway's own
checks see, and training does not know the gateway's composition.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from gateway.main.offline import OfflineJudge
from gateway.settings import Config, Model
from models import artefact
from training.fit.combiner import Seen
from training.packaged import Corpora, build, gather, tune
from training.progress import Progress, bars

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


def see(mails: Sequence[bytes], progress: Progress) -> list[Seen]:
    """The signals of each mail, from the same checks as in service, without network. About 2 ms a mail."""
    return asyncio.run(_see(mails, progress))


async def _see(mails: Sequence[bytes], progress: Progress) -> list[Seen]:
    found: list[Seen] = []
    config = msgspec.structs.replace(Config(), model=Model(language=False))
    async with OfflineJudge(config) as judge:
        for number, octets in enumerate(mails, 1):
            judged = await judge.judge("", octets)
            evidence = judged.judgement.evidence if judged.judgement is not None else ()
            found.append({item.signal.name: item.strength for item in evidence})
            progress("checks", number, len(mails))
    return found


@click.command(help=__doc__)
@click.option("--spamassassin", type=FOLDER, required=True)
@click.option("--enron", type=FOLDER, required=True)
@click.option("--fixtures", type=FOLDER, required=True)
@click.option("--collected", type=FOLDER, required=True, help="what training.corpus.collect wrote")
@click.option("--language", type=FOLDER, help="folder of a finished language model")
@click.option("--tune-passes", type=float, help="fine-tune the language model, so many times over the mails")
@click.option("--out", type=click.Path(path_type=Path), default=artefact.DEFAULT)
def main(
    spamassassin: Path,
    enron: Path,
    fixtures: Path,
    collected: Path,
    language: Path | None,
    tune_passes: float | None,
    out: Path,
) -> None:
    progress = bars()
    gathered = gather(Corpora(spamassassin, enron, fixtures, collected))
    if tune_passes:
        tune(gathered, tune_passes, out, progress)
        language = out
    build(gathered, language, see, out, progress)


if __name__ == "__main__":
    main()
