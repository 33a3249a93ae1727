"""`rightlevel reconcile`: every kept count against its rows."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from rightlevel.assembly import Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform
from rightlevel.operations.reconcile import Reconciliation, reconcile

DEADLINE_S = 3_600.0


@click.command()
@click.option("--repair", is_flag=True, help="Rewrite the counts from the rows, in one transaction.")
@data_option
@json_option
def reconcile_command(data_folder: Path | None, *, repair: bool, as_json: bool) -> None:
    """Recount every figure from its rows; exit 1 when a kept count differs."""

    async def work(platform: Platform) -> Reconciliation:
        async with platform.database.operations(deadline_s=DEADLINE_S, writes=True) as session:
            return await reconcile(session, repair=repair)

    found = with_platform(settings_for(data_folder), work)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo(f"{found.compared} counts compared, {found.different} differ")
        for difference in found.differences:
            click.echo(f"  {difference}")
    sys.exit(1 if found.different and not repair else 0)
