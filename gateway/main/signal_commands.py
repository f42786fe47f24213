"""``mailward signals``: what can be seen in a mail, and what it is worth."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="A trained model's folder (the shipped one).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--markdown", "as_markdown", is_flag=True, help="The page docs/signals.md.")
def signals(model: Path | None, as_json: bool, as_markdown: bool) -> None:
    """List every signal with its weight in nats, what it speaks for, its sentence and its RFC.

    Example: mailward signals | grep url
    """
    from gateway.checks.catalogue import markdown, rows
    from gateway.main.failures import told_plainly
    from models.artefact import DEFAULT, read_signal_weights

    with told_plainly():
        table = rows(read_signal_weights((model or DEFAULT) / "weights.json").signals)
    if as_markdown:
        click.echo(markdown(table), nl=False)
        return
    for row in table:
        if as_json:
            click.echo(json.dumps(asdict(row), ensure_ascii=False))
        else:
            click.echo(f"{row.name:<32} {row.nats:+5.1f}  {row.category:<8} {row.about.replace('{detail}', '...')}")
