"""What the commands share: the data folder option, a platform to work on, and errors as sentences with exit codes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from flatwater.errors import Refused
from flatwater.forwarded import TrustedProxies
from rightlevel.assembly import Platform, attach_or_open
from rightlevel.commands.words import tell_faults
from rightlevel.database.errors import DatabaseProblem
from rightlevel.programme.errors import ProgrammeError
from rightlevel.settings import Settings, read_settings

T = TypeVar("T")
EXIT_REFUSED = 1
EXIT_USAGE = 2

data_option = click.option(
    "--data",
    "data_folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The data folder (default: ./data, or RIGHTLEVEL_DATA_FOLDER).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="End with one line of JSON for programs.")


def settings_for(data_folder: Path | None, **chosen: object) -> Settings:
    """The settings of one command. *Errors*: exits with 2 and a sentence when one has the wrong form."""
    try:
        settings = read_settings(
            None, data_folder=None if data_folder is None else data_folder.absolute(), **chosen
        )
        TrustedProxies(settings.trusted_proxies)
        return settings
    except ValueError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_USAGE)


def with_platform(settings: Settings, work: Callable[[Platform], Awaitable[T]]) -> T:
    """Does the work on the platform of the data folder, running or not. Expected trouble becomes a sentence and exit 1."""

    async def run() -> T:
        async with attach_or_open(settings, say=lambda text: click.echo(text, err=True)) as platform:
            return await work(platform)

    return running_steps(run)


def running_steps(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Does the work. Expected trouble becomes a sentence and exit 1."""
    try:
        return asyncio.run(work())
    except ProgrammeError as error:
        click.echo(str(error), err=True)
        tell_faults(error.faults)
        sys.exit(EXIT_REFUSED)
    except (Refused, DatabaseProblem) as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_REFUSED)
