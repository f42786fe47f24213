"""``mailward evaluate``: how well a model does, as figures, as JSON and as a page."""

import sys
from pathlib import Path

import click

_EXISTING = click.Path(path_type=Path, exists=True)


@click.command()
@click.option("--ham", type=_EXISTING, multiple=True, help="Wanted mail; may be given several times.")
@click.option("--spam", type=_EXISTING, multiple=True, help="Unwanted mail.")
@click.option("--mail", multiple=True, metavar="KIND[:SOURCE]=PATH", help="Mail of a kind (ham, bulk, phish, ...).")
@click.option("--collected", type=_EXISTING, multiple=True, help="A folder made by training.corpus.collect.")
@click.option("--composed", is_flag=True, help="Our own modern mail that no model was trained on, too.")
@click.option("--held-out", is_flag=True, help="Only mail of the buckets (by body) that no model may be trained on.")
@click.option("--model", type=click.Path(path_type=Path), help="A trained model's folder (the shipped one).")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file (TOML)."
)
@click.option("--chain/--no-chain", default=True, help="Judge by everything a mail goes through, without network.")
@click.option("--attacks", is_flag=True, help="Also hide the unwanted mail in a dozen ways, and say what is lost.")
@click.option("--attacked", type=click.IntRange(min=1), default=300, show_default=True, help="Mails for each attack.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the HTML report.")
@click.option("--no-subjects", is_flag=True, help="No subjects and paths in what is written: it can be passed on.")
@click.option("--limit", type=click.IntRange(min=0), default=0, help="Mails of each source and side at most.")
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def evaluate(  # noqa: PLR0913, PLR0917 - one parameter an option
    ham: tuple[Path, ...],
    spam: tuple[Path, ...],
    mail: tuple[str, ...],
    collected: tuple[Path, ...],
    composed: bool,
    held_out: bool,
    model: Path | None,
    config_path: Path | None,
    chain: bool,
    attacks: bool,
    attacked: int,
    report: Path | None,
    no_subjects: bool,
    limit: int,
    seed: int,
    as_json: bool,
) -> None:
    """Measure a model on mail it was not trained on: words, language model, and the whole chain, by source and kind.

    Example: mailward evaluate --ham ~/Mail/archive --spam ~/Mail/junk --model model --report report.html
    """
    from gateway.main.evaluating import Asked
    from gateway.main.evaluating import evaluate as run
    from training.evaluate.run import Wishes

    wishes = Wishes(seed, attacks, attacked, held_out, limit)
    asked = Asked(
        *(ham, spam, mail, collected, composed, model, config_path, chain, report),
        subjects=not no_subjects,
        as_json=as_json,
        wishes=wishes,
    )
    sys.exit(run(asked))
