"""``mailward signals``: what can be seen in a mail, what it is worth, and how often it was seen here."""

import sys
from pathlib import Path

import click


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="A trained model's folder (the shipped one).")
@click.option("--hits", is_flag=True, help="How often each was seen here, in wanted and in unwanted mail (--config).")
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True, help="Of the past, for --hits.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file, for --hits.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--markdown", "as_markdown", is_flag=True, help="The page docs/signals.md.")
def signals(
    model: Path | None, hits: bool, days: int, config_path: Path | None, as_json: bool, as_markdown: bool
) -> None:
    """List every signal with its weight in nats, what it speaks for, its sentence and its RFC.

    Example: mailward signals | grep url
    """
    from gateway.main.signalling import list_signals, show_hits

    if not hits:
        list_signals(model, as_json=as_json, as_markdown=as_markdown)
        return
    if config_path is None:
        raise click.UsageError("--hits needs --config: the counts are in the store")
    sys.exit(show_hits(config_path, days, as_json=as_json))
