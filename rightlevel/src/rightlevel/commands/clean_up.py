"""`rightlevel clean-up`: what is only kept for a while, taken out now."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from flatwater.rate_limit_postgres import Swept
from rightlevel.assembly import Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform


@click.command()
@data_option
@json_option
def clean_up_command(data_folder: Path | None, *, as_json: bool) -> None:
    """Take out rate-limit rows whose allowance is full again, in batches that hold nobody up."""

    async def work(platform: Platform) -> Swept:
        await platform.hosts.require_files()
        return await platform.clean_up.run_now()

    swept = with_platform(settings_for(data_folder), work)
    if as_json:
        click.echo(msgspec.json.encode(swept))
        return
    click.echo(
        f"{swept.removed:,} rows removed in {swept.batches:,} batches "
        f"(the longest took {swept.longest_batch_s:.2f} s); {swept.left:,}{' or more' if swept.left_is_at_least else ''} left."
    )
