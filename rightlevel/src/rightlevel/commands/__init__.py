"""The `rightlevel` command. Each subcommand is imported when it is called, so `--help` stays quick and small."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "serve": ("rightlevel.commands.serve", "serve", "Run the platform."),
    "reload": (
        "rightlevel.commands.reload",
        "reload_command",
        "Replace the running service, losing no request.",
    ),
    "demo": (
        "rightlevel.commands.demo",
        "demo",
        "Run a demonstration programme, made up from published figures.",
    ),
    "import": (
        "rightlevel.commands.import_file",
        "import_command",
        "Import schools or students from a file.",
    ),
    "generate": (
        "rightlevel.commands.generate",
        "generate",
        "Fill a data folder with made-up schools and children.",
    ),
    "reconcile": (
        "rightlevel.commands.reconcile",
        "reconcile_command",
        "Recount every figure from its rows.",
    ),
    "doctor": (
        "rightlevel.commands.doctor",
        "doctor_command",
        "Diagnose the platform and fix what is found.",
    ),
    "clean-up": (
        "rightlevel.commands.clean_up",
        "clean_up_command",
        "Take out what is only kept for a while.",
    ),
    "backup": ("rightlevel.commands.backup", "backup_command", "Keep everything, elsewhere."),
    "restore": ("rightlevel.commands.backup", "restore_command", "Read a backup back into an empty place."),
    "person": ("rightlevel.commands.person", "person", "Add users and give them passwords."),
    "token": ("rightlevel.commands.token", "token", "Make API tokens."),
    "openapi": ("rightlevel.commands.openapi", "openapi_command", "Print the OpenAPI document."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        return getattr(import_module(module), name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, _, help_text) in COMMANDS.items()])


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rightlevel")
def main() -> None:
    """RightLevel runs Teaching at the Right Level programmes."""
