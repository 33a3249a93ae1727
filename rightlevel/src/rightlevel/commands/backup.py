"""`rightlevel backup` and `rightlevel restore`: everything there is, kept elsewhere, and read back into an empty place."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec

from flatwater.clock import SystemClock
from flatwater.supervisor import ask_loop
from rightlevel.assembly import Platform, open_platform
from rightlevel.commands.running import data_option, json_option, running_steps, settings_for, with_platform
from rightlevel.database.server import PrivateServer, Server, open_server
from rightlevel.operations.backup import Backup, make_backup, pictures_of, read_backup, restore_backup
from rightlevel.operations.file_folders import library_folder, photo_folder
from rightlevel.operations.photo_album import store_of
from rightlevel.operations.reconcile import reconcile
from rightlevel.settings import Settings

RECONCILE_S = 3_600.0


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


@click.command()
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="Where backups are kept (default: the folder `backups` of the data folder).",
)
@click.option(
    "--keep",
    type=click.IntRange(1, 1_000),
    default=7,
    show_default=True,
    help="How many stay there; older ones are removed.",
)
@data_option
@json_option
def backup_command(data_folder: Path | None, *, into: Path | None, keep: int, as_json: bool) -> None:
    """Keep everything, while the service goes on. The backup holds children's names: keep it as you keep the registers."""
    settings = settings_for(data_folder)
    folder = (into or settings.data_folder / "backups").absolute()

    async def work(platform: Platform) -> tuple[Path, Backup]:
        await platform.hosts.require_files()
        return await make_backup(
            platform.database,
            platform.server.conninfo,
            photos=photo_folder(settings) or pictures_of(platform.album),
            library=library_folder(settings),
            into=folder,
            clock=platform.clock,
            say=_say,
            keep=keep,
            secret=settings.backup_secret,
        )

    made_in, made = with_platform(settings, work)
    if as_json:
        click.echo(msgspec.json.encode({"folder": str(made_in), **msgspec.to_builtins(made)}).decode())
        return
    click.echo(
        f"{made_in}: {made.size_bytes / 1e6:.1f} MB. `rightlevel restore {made_in} --data NEW-FOLDER` reads it back."
    )
    if into is None:
        click.echo(
            "It lies on the same disk as what it is a backup of: name another with --into, or copy it away."
        )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--verify",
    is_flag=True,
    help="Only see whether it can be read back: into a place of its own, which is removed again.",
)
@data_option
def restore_command(folder: Path, data_folder: Path | None, *, verify: bool) -> None:
    """Read a backup back into an empty data folder (or the empty database that DATABASE_URL names), and recount every figure."""
    if verify:
        if data_folder is not None:
            raise click.UsageError(
                "--verify reads the backup back into a place of its own; leave out --data."
            )
        with TemporaryDirectory(prefix="rightlevel-verify-") as place:
            settings = settings_for(Path(place), photo_store_address="", files_folder="")
            told = running_steps(
                lambda: _restore(
                    folder, settings, PrivateServer(settings.data_folder, settings.memory_bytes, _say)
                )
            )
        click.echo(f"This backup can be read back: {told}.")
        return
    settings = settings_for(data_folder)
    told = running_steps(
        lambda: _restore(
            folder,
            settings,
            open_server(
                settings.data_folder,
                settings.memory_bytes,
                os.environ,
                _say,
                has_pooler=settings.pooler != "none",
            ),
        )
    )
    click.echo(f"Restored into {settings.data_folder}: {told}.")


async def _restore(folder: Path, settings: Settings, server: Server) -> str:
    """Reads a backup back, and says what of."""
    made = read_backup(folder, _say, secret=settings.backup_secret)
    server.start()
    try:
        store = store_of(settings, SystemClock())
        loop = asyncio.get_running_loop()

        def put_back(name: str, content: bytes) -> None:
            ask_loop(loop, store.put(name, content))

        await asyncio.to_thread(
            restore_backup,
            folder,
            server.conninfo,
            photos=photo_folder(settings) or put_back,
            library=library_folder(settings),
            say=_say,
        )
        _say("counting every figure again")
        async with (
            open_platform(settings, server=server, is_service=False) as platform,
            platform.database.snapshot(deadline_s=RECONCILE_S) as session,
        ):
            found = await reconcile(session)
    finally:
        server.stop()
    if found.different:
        figures = (
            f"{found.different} of {found.compared} kept counts differ: run `rightlevel reconcile --repair`"
        )
    else:
        figures = f"all {found.compared:,} kept counts equal their rows"
    elsewhere = f"; photos are in {made.photos_elsewhere}" if made.photos_elsewhere else ""
    return f"everything of {made.made_at:%Y-%m-%d %H:%M} UTC, {figures}{elsewhere}"
