"""`flatwater doctor`: one look at a server, or one every few seconds, with cures for what belongs to an application."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

import click
from msgspec import Struct

from flatwater.clock import SystemClock
from flatwater.commands.dsn_parameter import DsnParameter
from flatwater.commands.watch import require_address
from flatwater.doctor.acknowledged import TooManyAcknowledged, acknowledge
from flatwater.doctor.fix import Deed, apply, safe_cures
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.pool_numbers import read_pool
from flatwater.doctor.report import as_json, as_text, cure_as_text, deed_as_text
from flatwater.doctor.run import Doctor, Report, take_snapshot
from flatwater.doctor.snapshot import Kept, SnapshotBroken, place_of, read_kept, write_kept

COULD_NOT_LOOK = 3


class _Asked(Struct, frozen=True):
    """What the command line asked for."""

    path: Path
    is_json: bool
    shows_all: bool
    fixes: bool
    says_yes: bool
    key: str | None
    reason: str | None
    is_strict: bool


@click.command()
@click.argument("dsn", type=DsnParameter())
@click.option("--application", help="Whose sessions may be cured: the application_name up to its first '/'.")
@click.option(
    "--healthz",
    metavar="URL",
    help="The application's health page: who waits for a connection is joined to who holds them.",
)
@click.option("--fix", is_flag=True, help="Apply the safe cures, one by one, asking before each.")
@click.option("--yes", is_flag=True, help="Answer yes to each cure.")
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
@click.option("--all", "shows_all", is_flag=True, help="Include passing checks.")
@click.option(
    "--strict", is_flag=True, help="Exit with 3 if all is well but something could not be examined."
)
@click.option("--watch", type=click.FloatRange(min=1.0), metavar="SECONDS", help="Look again every so often.")
@click.option("--looks", type=click.IntRange(min=1), help="With --watch: stop after so many looks.")
@click.option(
    "--acknowledge", "key", metavar="KEY", help="Accept this finding for 90 days, unless it gets worse."
)
@click.option("--reason", help="Why it is accepted.")
@click.option(
    "--snapshot", type=click.Path(path_type=Path, dir_okay=False), help="The file kept between looks."
)
def doctor(
    dsn: str,
    *,
    application: str | None,
    healthz: str | None,
    fix: bool,
    yes: bool,
    is_json: bool,
    shows_all: bool,
    strict: bool,
    watch: float | None,
    looks: int | None,
    key: str | None,
    reason: str | None,
    snapshot: Path | None,
) -> None:
    """Diagnose the PostgreSQL server at DSN, explain what is found and fix it.

    Looks through one read-only connection with short limits. Exits with 0 (well, or worth knowing), 1 (warning),
    2 (critical) or 3 (could not look).
    """
    if key is not None and not reason:
        raise click.UsageError(
            "Say why with --reason; a reason is what makes it accepted rather than overlooked."
        )
    require_address(healthz)
    if fix and application is None:
        raise click.UsageError("Name the application whose sessions may be cured: --application NAME.")
    asked = _Asked(
        path=snapshot or place_of(dsn),
        is_json=is_json,
        shows_all=shows_all,
        fixes=fix,
        says_yes=yes,
        key=key,
        reason=reason,
        is_strict=strict,
    )
    try:
        code = _look_and_tell(dsn, application, asked, every_s=watch, looks=looks, health_page=healthz)
    except (CouldNotLook, SnapshotBroken, TooManyAcknowledged) as error:
        _give_up(str(error), asked)
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)


def _give_up(reason: str, asked: _Asked) -> NoReturn:
    if asked.is_json:
        click.echo(f'{{"worst": "not_examined", "exit_code": {COULD_NOT_LOOK}, "findings": []}}')
    click.echo(reason, err=True)
    sys.exit(COULD_NOT_LOOK)


def _look_and_tell(
    dsn: str,
    application: str | None,
    asked: _Asked,
    *,
    every_s: float | None,
    looks: int | None,
    health_page: str | None,
) -> int:
    kept = read_kept(asked.path)
    ward = Doctor()
    code = 0
    pool_numbers = None if health_page is None else partial(read_pool, health_page)
    with Look(dsn, application=application, history=kept.looks, pool_numbers=pool_numbers) as look:
        number = 0
        while True:
            number += 1
            report = ward.examine(look, kept.acknowledged)
            kept = _accept(report, kept.after(take_snapshot(look)), asked)
            write_kept(asked.path, kept)
            code = _tell(look, report, asked)
            if every_s is None or number == looks:
                return code
            time.sleep(every_s)
            look.begin_again(kept.looks)


def _tell(look: Look, report: Report, asked: _Asked) -> int:
    deeds: list[Deed] | None = None
    if not asked.is_json:
        click.echo(as_text(report, colour=sys.stdout.isatty(), all_ok=asked.shows_all))
    if asked.fixes:
        deeds = []
        for deed in apply(look, report, lambda finding, cure: asked.says_yes or _ask(finding, cure)):
            deeds.append(deed)
            click.echo(deed_as_text(deed), err=asked.is_json)
        if not safe_cures(report):
            click.echo("Nothing to cure that belongs to the application.", err=asked.is_json)
    if asked.is_json:
        click.echo(as_json(report, deeds))
    unseen = any(each.severity == "not_examined" for each in report.findings)
    return COULD_NOT_LOOK if asked.is_strict and unseen and report.exit_code == 0 else report.exit_code


def _ask(finding: Finding, cure: Cure) -> bool:
    click.echo(cure_as_text(finding, cure), err=True)
    return click.confirm("Do it?", default=False, err=True)


def _accept(report: Report, kept: Kept, asked: _Asked) -> Kept:
    if asked.key is None or asked.reason is None:
        return kept
    known = {each.key: each for each in (*report.findings, *report.acknowledged)}
    if asked.key not in known:
        raise click.UsageError(
            f"No finding has the key {asked.key!r} now; there are: {', '.join(sorted(known))}"
        )
    accepted = acknowledge(known[asked.key], asked.reason, kept.acknowledged, SystemClock().now())
    return Kept(kept.looks, accepted)
