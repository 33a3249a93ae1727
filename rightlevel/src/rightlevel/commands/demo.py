"""`rightlevel demo`: a running platform with a realistic programme in it, from nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from rightlevel.assembly import Platform
from rightlevel.commands.running import EXIT_REFUSED, data_option, settings_for, with_platform
from rightlevel.database.server import existing_server
from rightlevel.operations.memory_plan import BudgetCannotHold, require_budget
from rightlevel.operations.sample_data import Demo, build_demo
from rightlevel.operations.sample_data.building import analyze, is_empty, mark_as_demonstration
from rightlevel.operations.sample_data.demo import PEOPLE
from rightlevel.programme.accounts import generate_password, set_admins_need_second_factor
from rightlevel.settings import MEGABYTE, Settings

DEADLINE_S = 300.0


@click.command()
@click.option("--port", type=int, default=None, help="Where to listen (default: 8000).")
@click.option(
    "--memory", "memory_mb", type=int, default=None, help="The budget for everything, in MB (default: 150)."
)
@data_option
def demo(port: int | None, memory_mb: int | None, data_folder: Path | None) -> None:
    """Run a demonstration programme: made once, then only started again."""
    memory_bytes = None if memory_mb is None else memory_mb * MEGABYTE
    settings = settings_for(data_folder or Path("demo-data"), port=port, memory_bytes=memory_bytes)
    try:
        require_budget(settings.memory_bytes, is_private=existing_server(os.environ) is None)
    except BudgetCannotHold as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_REFUSED)
    made = with_platform(settings, _make)
    address = f"http://{settings.host}:{settings.port}"
    if made is None:
        click.echo("The demonstration is there already; its passwords were shown when it was made.")
        program = (
            sys.argv[0] if sys.argv[0].endswith("rightlevel") else "rightlevel"
        )  # as it was called: make has it in .venv
        click.echo(f"  a new one:  {program} person reset --username teacher --data {settings.data_folder}")
    else:
        click.echo(f"Made {made.schools} schools, {made.children:,} children and {made.results:,} results.")
        click.echo("Sign in with one of these; the passwords are shown this once:")
        for person in made.people:
            click.echo(f"  {person.username:12} {person.password}")
        click.echo(
            "Here admins sign in with a password alone; in a real programme they also need two-step verification."
        )
    # Not yet: nothing listens before the next process says so, and that one may be refused.
    click.echo(f"Open {address} as soon as it says that it is there (Ctrl-C ends it)")
    serve_instead(settings, memory_mb)


def serve_instead(settings: Settings, memory_mb: int | None) -> None:
    """Becomes `rightlevel serve`: what making took of memory is given back with the old process."""
    words = [
        "serve",
        "--data",
        str(settings.data_folder),
        "--port",
        str(settings.port),
        "--host",
        settings.host,
    ]
    words += ["--memory", str(memory_mb)] if memory_mb else []
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "rightlevel", *words])  # noqa: S606


async def _make(platform: Platform) -> Demo | None:
    async with platform.database.read(deadline_s=DEADLINE_S) as session:
        if not await is_empty(session):
            return None
    click.echo("Making the demonstration programme:")
    hashes: dict[str, tuple[str, str]] = {}
    for username, _, _ in PEOPLE:
        password = generate_password()
        hashes[username] = (password, await platform.passwords.hash(password))
    async with platform.database.transaction(deadline_s=DEADLINE_S) as session:
        # Who only wants a look has no authenticator app at hand; a real programme starts with two-step verification asked for.
        await set_admins_need_second_factor(session, None, is_needed=False)
        await mark_as_demonstration(session)
        made = await build_demo(session, hashes, platform.clock, lambda text: click.echo(f"  {text}"))
    await analyze(platform.database)
    return made
