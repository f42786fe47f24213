"""``mailward train``, ``mailward model`` and ``mailward labels``."""

import sys
from pathlib import Path

import click

from gateway.main.overview import Listed

CONFIG = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file (TOML)."
)
MAYBE = click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (TOML).")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
FORCE = click.option("--force", is_flag=True, help="Let it judge even where it is worse on your own labels.")


@click.command()
@click.option("--ham", type=click.Path(path_type=Path, exists=True), help="Wanted mail.")
@click.option("--spam", type=click.Path(path_type=Path, exists=True), help="Unwanted mail.")
@click.option("--from-feedback", is_flag=True, help="What people labelled, from the store; puts the model in use.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the new model.")
@click.option("--seed", type=int, default=0)
@click.option("--language-model", is_flag=True, help="Fine-tune the language model too (20 minutes; training extra).")
@click.option("--no-composed", is_flag=True, help="Learn from this mail alone, not from the shipped examples as well.")
@FORCE
@MAYBE
@JSON
def train(  # noqa: PLR0913, PLR0917 - one parameter an option
    ham: Path | None,
    spam: Path | None,
    from_feedback: bool,
    out: Path | None,
    seed: int,
    language_model: bool,
    no_composed: bool,
    force: bool,
    config_path: Path | None,
    as_json: bool,
) -> None:
    """Train a model on your own mail. A run that was interrupted goes on when it is started again.

    Example: mailward train --ham ~/Mail/archive --spam ~/Mail/junk --out model
    """
    from gateway.main.teaching import Options, Wanted
    from gateway.main.teaching import train as run

    if from_feedback and config_path is None:
        raise click.UsageError("--from-feedback needs --config: the labels are in the store")
    if not from_feedback and (ham is None or spam is None or out is None):
        raise click.UsageError("give --ham, --spam and --out, or --from-feedback with --config")
    options = Options(composed=not no_composed, language_model=language_model)
    feedback = config_path if from_feedback else None
    sys.exit(run(Wanted(ham, spam, out, feedback, force), seed=seed, options=options, as_json=as_json))


@click.group(cls=Listed)
def model() -> None:
    """Models of the store: which one judges, which one is on trial."""


@model.command(name="list")
@CONFIG
@JSON
def model_list(config_path: Path, as_json: bool) -> None:
    """The models that the store keeps, and which one is in use.

    Example: mailward model list --config mailward.toml
    """
    from gateway.main.modelling import list_models

    sys.exit(list_models(config_path, as_json=as_json))


@model.command(name="card")
@click.argument("which", default="")
@MAYBE
@JSON
def model_card(which: str, config_path: Path | None, as_json: bool) -> None:
    """What a model is, what it was made from and how well it does: of an id, a folder, or the one in use.

    Example: mailward model card --config mailward.toml
    """
    from gateway.main.modelling import show_card

    sys.exit(show_card(which, config_path, as_json=as_json))


@model.command(name="add")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@CONFIG
@JSON
def model_add(folder: Path, config_path: Path, as_json: bool) -> None:
    """Put a model's folder into the store, so that every node can use it.

    Example: mailward model add my-model --config mailward.toml
    """
    from gateway.main.modelling import add

    sys.exit(add(config_path, folder, as_json=as_json))


@model.command(name="promote")
@click.argument("which")
@FORCE
@CONFIG
@JSON
def model_promote(which: str, force: bool, config_path: Path, as_json: bool) -> None:
    """Let a model judge from now on, without a restart: an id, or a folder; "shipped" is the one we ship.

    Example: mailward model promote 2026-11-22-3f9a01bc --config mailward.toml
    """
    from gateway.main.modelling import promote

    sys.exit(promote(config_path, which, force=force, as_json=as_json))


@model.command(name="rollback")
@CONFIG
@JSON
def model_rollback(config_path: Path, as_json: bool) -> None:
    """Let the model judge again that judged before.

    Example: mailward model rollback --config mailward.toml
    """
    from gateway.main.modelling import roll_back

    sys.exit(roll_back(config_path, as_json=as_json))


@model.command(name="shadow")
@click.argument("which", default="")
@click.option("--report", is_flag=True, help="How its verdicts differ from those that were given.")
@click.option("--stop", is_flag=True, help="End the trial.")
@CONFIG
@JSON
def model_shadow(which: str, report: bool, stop: bool, config_path: Path, as_json: bool) -> None:
    """Put a model on trial beside the one that judges: an id, or a folder. It changes nothing, and is counted.

    Example: mailward model shadow my-model --config mailward.toml
    """
    from gateway.main.modelling import put_on_trial, report_trial

    if report:
        sys.exit(report_trial(config_path, as_json=as_json))
    if bool(which) == stop:
        raise click.UsageError("name a model to try, or write --report or --stop")
    sys.exit(put_on_trial(config_path, which, as_json=as_json))


@model.command(name="drop")
@click.argument("which")
@CONFIG
@JSON
def model_drop(which: str, config_path: Path, as_json: bool) -> None:
    """Take a model out of the store; not one in use.

    Example: mailward model drop 2026-11-22-3f9a01bc --config mailward.toml
    """
    from gateway.main.modelling import drop

    sys.exit(drop(config_path, which, as_json=as_json))


@click.group(cls=Listed)
def labels() -> None:
    """What people said about mail: who, what, and where they disagree."""


@labels.command(name="list")
@click.option("--by", default="", help="Only this person's.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@CONFIG
@JSON
def labels_list(by: str, limit: int, config_path: Path, as_json: bool) -> None:
    """The newest labels: of which mail, by whom, how it was said, and for whom it counts.

    Example: mailward labels list --config mailward.toml
    """
    from gateway.main.labelling import list_labels

    sys.exit(list_labels(config_path, by, limit, as_json=as_json))


@labels.command(name="conflicts")
@CONFIG
@JSON
def labels_conflicts(config_path: Path, as_json: bool) -> None:
    """Mails, and near copies of them, that one person called wanted and another one unwanted; 1 when there are any.

    Example: mailward labels conflicts --config mailward.toml
    """
    from gateway.main.labelling import list_conflicts

    sys.exit(list_conflicts(config_path, as_json=as_json))


@labels.command(name="undo")
@click.option("--by", required=True, help='Whose labels: an address, or "command line".')
@click.option("--mail", default="", help="Only the label of this mail, by its id.")
@CONFIG
@JSON
def labels_undo(by: str, mail: str, config_path: Path, as_json: bool) -> None:
    """Unlearn what a person taught, exactly, as if it had never been said.

    Example: mailward labels undo --by ann@example.com --config mailward.toml
    """
    from gateway.main.labelling import undo

    sys.exit(undo(config_path, by, mail, as_json=as_json))
