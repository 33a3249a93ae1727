"""`rightlevel reload`: the running service replaced by a fresh one on the same socket, losing no request."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click
import msgspec

from rightlevel.commands.running import EXIT_REFUSED, data_option, json_option, settings_for
from rightlevel.commands.serve import RELOAD
from rightlevel.operations.own_numbers import OwnNumbers, running_processes

MOST_S = 120.0
LOOK_EVERY_S = 0.2


class Reloaded(msgspec.Struct, frozen=True):
    """What became of it."""

    replaced: list[int]
    took_s: float


@click.command()
@data_option
@json_option
def reload_command(data_folder: Path | None, *, as_json: bool) -> None:
    """Replace each running service of the data folder, one after the other: after an upgrade, or when its memory has grown.

    What is in flight is answered, and who connects meanwhile waits a few seconds. Settings of the environment stay as the service was
    started with them; for others, stop it and start it again.
    """
    folder = settings_for(data_folder).data_folder
    running = running_processes(folder)
    if not running:
        click.echo(f"No service runs on {folder}. `rightlevel serve` starts one.", err=True)
        sys.exit(EXIT_REFUSED)
    began = time.monotonic()
    for each in running:
        _replace(folder, each)
    done = Reloaded([each.process_id for each in running], round(time.monotonic() - began, 2))
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
        return
    numbers = ", ".join(str(each) for each in done.replaced)
    click.echo(f"Replaced in {done.took_s:.1f} s: process {numbers} runs a fresh copy.")


def _replace(folder: Path, old: OwnNumbers) -> None:
    """Asks one process to be replaced, and waits until its fresh copy tells of itself. Exits with 1 when it doesn't in two minutes."""
    os.kill(old.process_id, RELOAD)
    until = time.monotonic() + MOST_S
    while time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        now = [each for each in running_processes(folder) if each.process_id == old.process_id]
        if now and now[0].began_at > old.began_at:
            return
    click.echo(
        f"Process {old.process_id} was asked to be replaced and has not told of a fresh copy in {MOST_S:.0f} s. Its log says why.",
        err=True,
    )
    sys.exit(EXIT_REFUSED)
