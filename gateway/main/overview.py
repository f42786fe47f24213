"""How ``--help`` lists commands: by what they are for, in an order to read in, each with its whole sentence."""

import click

#: Headings of ``mailward --help`` with their commands. A command in none of them comes last, under "Other".
SECTIONS = (
    ("Run it", ("config", "serve", "demo")),
    ("People and addresses", ("user", "domain", "alias", "group")),
    ("What people send", ("submission", "dkim")),
    ("Held and waiting mail", ("quarantine", "explain", "queue")),
    ("What is judged how", ("rule", "allow", "block", "trap", "pyzor", "signals")),
    ("Keeping, erasing, proving", ("retention", "hold", "erase", "audit")),
    ("The store", ("store", "fsck", "backup", "restore")),
    ("Judging files, and models", ("scan", "try", "labels", "train", "evaluate", "model")),
)

#: Longer than any first sentence, so that none is cut; the formatter wraps them.
_WHOLE = 400


class Listed(click.Group):
    """A group whose commands are listed with whole sentences, where click would cut them to a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in self.sections(ctx):
            commands = [(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names]
            with formatter.section(title):
                formatter.write_dl(commands)

    def sections(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        return [("Commands", self.list_commands(ctx))]


class Overview(Listed):
    """The program itself: its commands under the headings of ``SECTIONS``."""

    #: What ``@main.group()`` makes.
    group_class = Listed

    def sections(self, ctx: click.Context) -> list[tuple[str, list[str]]]:
        named = {name for _, names in SECTIONS for name in names}
        found = [(title, [name for name in names if name in self.commands]) for title, names in SECTIONS]
        found.append(("Other", [name for name in self.list_commands(ctx) if name not in named]))
        return [(title, names) for title, names in found if names]
