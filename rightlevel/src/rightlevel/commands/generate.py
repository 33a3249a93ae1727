"""`rightlevel generate`: a made-up programme of any size, for measuring."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from rightlevel.assembly import Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform
from rightlevel.operations.sample_data import Generated, Size
from rightlevel.operations.sample_data import generate as make
from rightlevel.operations.sample_data.building import is_empty
from rightlevel.programme.errors import Conflict

DEADLINE_S = 7_200.0


class NotEmpty(Conflict):
    """There is a programme in this data folder already. Choose an empty one with --data."""

    code = "not_empty"


@click.command()
@click.option("--schools", type=int, required=True)
@click.option("--children", type=int, required=True)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed makes the same programme."
)
@click.option("--results", "with_results", is_flag=True, help="A result in both subjects for every child.")
@data_option
@json_option
def generate(
    schools: int, children: int, seed: int, data_folder: Path | None, *, with_results: bool, as_json: bool
) -> None:
    """Fill an empty data folder with made-up schools and children."""
    began = time.monotonic()

    async def work(platform: Platform) -> Generated:
        async with platform.database.operations(deadline_s=DEADLINE_S, writes=True) as session:
            if not await is_empty(session):
                raise NotEmpty
            size = Size(schools, children, seed, with_results)
            return await make(session, size, platform.clock, lambda text: click.echo(text, err=True))

    made = with_platform(settings_for(data_folder), work)
    seconds = round(time.monotonic() - began, 2)
    if as_json:
        click.echo(msgspec.json.encode({**msgspec.to_builtins(made), "seconds": seconds}).decode())
    else:
        click.echo(
            f"{made.schools:,} schools, {made.children:,} children, {made.results:,} results in {seconds} s"
        )
