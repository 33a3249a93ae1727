"""`flatwater doctor`: one look at a server, or one every few seconds, with cures for what belongs to an application."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import click

from flatwater.commands.consultation import Asked, asks, consult, telling_why_not
from flatwater.commands.dsn_parameter import DsnParameter, UnreadableDsn
from flatwater.doctor.look import Look
from flatwater.doctor.pool_numbers import read_pool
from flatwater.doctor.run import Doctor
from flatwater.doctor.snapshot import place_of, read_kept


@click.command()
@click.argument("dsn", type=DsnParameter(), envvar="DATABASE_URL", required=False)
@click.option("--application", help="Whose sessions may be cured: the application_name up to its first '/'.")
@click.option(
    "--pool",
    type=click.IntRange(min=1),
    metavar="CONNECTIONS",
    help="How many connections the application may hold in all: processes x pool size. Only what is beyond it, and unused, is ended.",
)
@click.option("--watch", type=click.FloatRange(min=1.0), metavar="SECONDS", help="Look again every so often.")
@click.option("--looks", type=click.IntRange(min=1), help="With --watch: stop after so many looks.")
@click.option(
    "--snapshot", type=click.Path(path_type=Path, dir_okay=False), help="The file kept between looks."
)
@asks
def doctor(
    dsn: str | None,
    *,
    application: str | None,
    pool: int | None,
    watch: float | None,
    looks: int | None,
    snapshot: Path | None,
    asked: Asked,
) -> None:
    """Diagnose the PostgreSQL server at DSN (or at what DATABASE_URL says), explain what is found and fix it.

    Looks through one read-only connection with short limits. Exits with 0 (well, or worth knowing), 1 (warning),
    2 (critical) or 3 (could not look).
    """
    if dsn is None:
        raise UnreadableDsn("Name the server: a connection string, or one in DATABASE_URL.")
    if asked.fixes and application is None:
        raise click.UsageError("Name the application whose sessions may be cured: --application NAME.")
    if pool is not None and application is None:
        raise click.UsageError("Say whose pool that is: --application NAME.")
    pool_numbers = None if asked.healthz is None else partial(read_pool, asked.healthz)
    path, code, number = snapshot or place_of(dsn), 0, 0
    try:
        with telling_why_not(asked):
            kept = read_kept(path)
            ward = Doctor()
            with Look(
                dsn, application=application, pool=pool, history=kept.looks, pool_numbers=pool_numbers
            ) as look:
                while True:
                    number += 1
                    code, kept = consult(look, path, kept, ward.examine, asked)
                    if watch is None or number == looks:
                        break
                    time.sleep(watch)
                    look.begin_again(kept.looks)
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)
