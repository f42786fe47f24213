"""The ``mailward`` program. Commands import what they need when they run, so that ``--help`` is instant.

Exit codes: 0 all well, 1 something was found, 2 wrong usage or configuration, 3 cannot reach.
"""

import sys
from pathlib import Path

import click

from gateway.main import (
    compliance_commands,
    evaluate_commands,
    key_commands,
    model_commands,
    people_commands,
    policy_commands,
    signal_commands,
    store_commands,
    submission_commands,
    trap_commands,
)
from gateway.main.overview import Overview

CONFIG = click.option(
    "--config", "config_path", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file (TOML)."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")


@click.group(cls=Overview, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailward")
def main() -> None:
    """Mail security gateway: judges mail, keeps it, serves it, and shows why."""


@main.command()
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file.")
@JSON
def serve(config_path: Path, as_json: bool) -> None:
    """Run the gateway until it is told to stop.

    Example: mailward serve --config mailward.toml
    """
    from gateway.main.serving import serve as run

    sys.exit(run(config_path, as_json=as_json))


@main.command()
@click.option(
    "--exit", "exit_after", is_flag=True, help="Send the samples once, then stop; 0 only if all verdicts fit."
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder for the demo's store (a new temporary one).")
@click.option("--no-browser", is_flag=True, help="Do not open the console in a browser.")
@JSON
def demo(exit_after: bool, data: Path | None, no_browser: bool, as_json: bool) -> None:
    """Start everything on this machine only and send sample mails through it.

    Example: mailward demo
    """
    from gateway.main.demo import run

    sys.exit(run(exit_after=exit_after, data=data, open_browser=not (no_browser or exit_after), as_json=as_json))


MODEL = click.option("--model", type=click.Path(path_type=Path), help="A trained model's folder (the shipped one).")


@main.command()
@click.argument("files", nargs=-1, required=True)
@CONFIG
@MODEL
@click.option("--dns", "use_dns", is_flag=True, help="Look things up in the DNS (scan is offline by default).")
@click.option("--ip", default="", help="Client address the mail came from.")
@click.option("--helo", default="", help="Name the client gave.")
@click.option("--from", "mail_from", default="", help="Envelope sender.")
@click.option("--rcpt", "recipients", multiple=True, help="Envelope recipient.")
@JSON
def scan(  # noqa: PLR0913, PLR0917 - one parameter an option
    files: tuple[str, ...],
    config_path: Path | None,
    model: Path | None,
    use_dns: bool,
    ip: str,
    helo: str,
    mail_from: str,
    recipients: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the verdict of mails in files ("-" is standard input).

    Example: mailward scan message.eml
    """
    from gateway.main.offline import Told
    from gateway.main.scanning import scan as run

    told = Told(ip, helo, mail_from, recipients)
    sys.exit(run(files, config_path, model, told, use_dns=use_dns, as_json=as_json))


@main.command(name="try")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@CONFIG
@MODEL
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the HTML report.")
@click.option("--limit", type=click.IntRange(min=0), default=0, help="Stop after so many mails.")
@JSON
def try_(
    path: Path, config_path: Path | None, model: Path | None, report: Path | None, limit: int, as_json: bool
) -> None:
    """Judge an mbox, a Maildir or a folder of mails: reads only, asks nobody, and writes one report.

    Example: mailward try ~/mail.mbox
    """
    from gateway.main.scanning import try_path

    sys.exit(try_path(path, config_path, model, report, limit=limit, as_json=as_json))


@main.command()
@click.argument("reception")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True, help="Configuration file.")
@click.option("--words", is_flag=True, help="Read it again: words and sentences that did it, and what would change it.")
@JSON
def explain(reception: str, config_path: Path, words: bool, as_json: bool) -> None:
    """Say why a mail was judged as it was, by the id in its reply, header or log line.

    Example: mailward explain 01jd3k8s7qx7m2wz --config mailward.toml
    """
    from gateway.main.explaining import explain as run

    sys.exit(run(reception, config_path, words=words, as_json=as_json))


@main.group()
def quarantine() -> None:
    """Held mail."""


@quarantine.command(name="list")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True)
@JSON
def quarantine_list(config_path: Path, as_json: bool) -> None:
    """What is held, most doubtful first."""
    from gateway.main.administration import list_held

    sys.exit(list_held(config_path, as_json=as_json))


@quarantine.command(name="release")
@click.argument("reception")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True)
@click.option("--learn", is_flag=True, help="Also learn that mail like this is wanted.")
@click.option("--for", "addresses", multiple=True, help="Only the copy for this recipient.")
def quarantine_release(reception: str, config_path: Path, learn: bool, addresses: tuple[str, ...]) -> None:
    """Deliver a held mail to its recipients."""
    from gateway.main.administration import settle_held

    sys.exit(settle_held(config_path, reception, release=True, learn=learn, addresses=addresses))


@quarantine.command(name="delete")
@click.argument("reception")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True)
@click.option("--learn", is_flag=True, help="Also learn that mail like this is unwanted.")
@click.option("--for", "addresses", multiple=True, help="Only the copy for this recipient.")
def quarantine_delete(reception: str, config_path: Path, learn: bool, addresses: tuple[str, ...]) -> None:
    """Give a held mail up."""
    from gateway.main.administration import settle_held

    sys.exit(settle_held(config_path, reception, release=False, learn=learn, addresses=addresses))


@main.group()
def queue() -> None:
    """Jobs: mail waiting to be relayed, and work of the server's own."""


@queue.command(name="list")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True)
@JSON
def queue_list(config_path: Path, as_json: bool) -> None:
    """Jobs that wait, and jobs that were given up."""
    from gateway.main.queueing import list_queue

    sys.exit(list_queue(config_path, as_json=as_json))


@queue.command(name="retry")
@click.argument("jobs", nargs=-1)
@click.option("--all", "all_given_up", is_flag=True, help="Every job that was given up.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True)
@JSON
def queue_retry(jobs: tuple[str, ...], all_given_up: bool, config_path: Path, as_json: bool) -> None:
    """Let jobs come up now, as if new, by the ids that `queue list` shows."""
    from gateway.main.queueing import retry_jobs

    if not jobs and not all_given_up:
        raise click.UsageError("name jobs, or write --all for every one that was given up")
    sys.exit(retry_jobs(config_path, jobs, all_given_up=all_given_up, as_json=as_json))


@queue.command(name="drop")
@click.argument("job")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True)
@JSON
def queue_drop(job: str, config_path: Path, as_json: bool) -> None:
    """Give a job up for good, with the mail it kept, by the id that `queue list` shows."""
    from gateway.main.queueing import drop_job

    sys.exit(drop_job(config_path, job, as_json=as_json))


@main.group()
def config() -> None:
    """The configuration."""


@config.command(name="test")
@click.argument("path", type=click.Path(path_type=Path))
@JSON
def config_test(path: Path, as_json: bool) -> None:
    """Check a configuration file without starting anything, and run the tests beside its rules."""
    from gateway.main.policing import test_config

    sys.exit(test_config(path, as_json=as_json))


@config.command(name="example")
def config_example() -> None:
    """Print a configuration to start from."""
    from gateway.main.administration import EXAMPLE

    click.echo(EXAMPLE, nl=False)


ELSEWHERE: tuple[click.Command, ...] = (
    evaluate_commands.evaluate,
    *(people_commands.user, people_commands.domain, people_commands.alias, people_commands.group),
    *(policy_commands.allow, policy_commands.block, policy_commands.rule, signal_commands.signals),
    *(trap_commands.trap, trap_commands.pyzor, submission_commands.submission, submission_commands.dkim),
    *(compliance_commands.retention, compliance_commands.hold, compliance_commands.erase, compliance_commands.audit),
    *(model_commands.train, model_commands.model, model_commands.labels),
    *(store_commands.store, store_commands.fsck, store_commands.backup, store_commands.restore),
)
for command in ELSEWHERE:
    main.add_command(command)
for command in (key_commands.key, key_commands.rekey):
    store_commands.store.add_command(command)
