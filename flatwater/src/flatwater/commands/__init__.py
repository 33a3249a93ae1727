"""The `flatwater` command. Each subcommand is imported when it is called, so each stays quick and small."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Final

import click

COMMANDS: Final = {
    "doctor": (
        "flatwater.commands.doctor",
        "doctor",
        "Diagnose a PostgreSQL server and fix what is found.",
    ),
    "watch": ("flatwater.commands.watch", "watch", "Watch a PostgreSQL server live in a terminal."),
    "audit": (
        "flatwater.commands.audit",
        "audit",
        "Find in an application's source what will not stay flat.",
    ),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (module, _, _) in COMMANDS.items() if find_spec(module) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][2]) for name in self.list_commands(ctx)])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flatwater")
def main() -> None:
    """Keeps a Python service on PostgreSQL flat: bounded memory, connections and time."""
