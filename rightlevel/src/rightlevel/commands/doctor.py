"""`rightlevel doctor`: everything flatwater's doctor knows, and what it must know of this platform."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import msgspec

from flatwater.clock import SystemClock
from flatwater.commands.watch import require_address
from flatwater.doctor.acknowledged import TooManyAcknowledged, acknowledge
from flatwater.doctor.checks import ALL
from flatwater.doctor.fix import Deed, apply
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import RANK, Cure, Finding
from flatwater.doctor.pool_numbers import PoolNumbers, read_pool
from flatwater.doctor.report import as_json as report_as_json
from flatwater.doctor.report import as_text, cure_as_text, deed_as_text
from flatwater.doctor.run import Doctor, Report, take_snapshot
from flatwater.doctor.snapshot import Kept, SnapshotBroken, read_kept, write_kept
from rightlevel.assembly import APPLICATION, Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform
from rightlevel.operations.own_numbers import numbers_of
from rightlevel.operations.platform_checks import PLATFORM_CHECKS, finding_of
from rightlevel.operations.private_server_advice import as_can_be_done
from rightlevel.operations.reconcile import reconcile

RECONCILE_S = 3_600.0
COULD_NOT_LOOK = 3


@click.command()
@data_option
@json_option
@click.option("--fix", is_flag=True, help="Apply the safe cures, one by one, asking before each.")
@click.option("--yes", is_flag=True, help="Answer yes to each cure.")
@click.option("--all", "shows_all", is_flag=True, help="Include passing checks.")
@click.option(
    "--acknowledge", "key", metavar="KEY", help="Accept this finding for 90 days, unless it gets worse."
)
@click.option("--reason", default="", help="Why it is accepted.")
@click.option(
    "--healthz",
    metavar="URL",
    help="The service's health page, for who waits in it for a connection: http://127.0.0.1:8000/healthz.",
)
@click.option(
    "--no-reconcile", is_flag=True, help="Leave out recounting every figure, which reads every result."
)
def doctor_command(
    data_folder: Path | None,
    *,
    as_json: bool,
    fix: bool,
    yes: bool,
    shows_all: bool,
    key: str | None,
    reason: str,
    healthz: str | None,
    no_reconcile: bool,
) -> None:
    """Diagnose this platform and its database, explain what is found and fix it. Exits with 0, 1 (warning) or 2 (critical)."""
    if key is not None and not reason:
        raise click.UsageError(
            "Say why with --reason; a reason is what makes it accepted rather than overlooked."
        )

    require_address(healthz)
    pool_numbers = None if healthz is None else partial(read_pool, healthz)

    async def work(platform: Platform) -> int:
        more: list[Finding] = []
        if not no_reconcile:
            async with platform.database.snapshot(deadline_s=RECONCILE_S) as session:
                more.append(finding_of(await reconcile(session)))
        asked = _Asked(as_json=as_json, fix=fix, yes=yes, shows_all=shows_all, key=key, reason=reason)
        return await asyncio.to_thread(_examine, platform, more, pool_numbers, asked)

    try:
        sys.exit(with_platform(settings_for(data_folder), work))
    except (CouldNotLook, SnapshotBroken, TooManyAcknowledged) as error:
        click.echo(str(error), err=True)
        sys.exit(COULD_NOT_LOOK)


class _Asked(msgspec.Struct, frozen=True):
    """What the command line asked for."""

    as_json: bool
    fix: bool
    yes: bool
    shows_all: bool
    key: str | None
    reason: str


def _examine(
    platform: Platform, more: list[Finding], pool_numbers: Callable[[], PoolNumbers] | None, asked: _Asked
) -> int:
    folder = platform.settings.data_folder
    path = folder / "doctor.json"
    kept = read_kept(path)
    with Look(
        platform.server.conninfo,
        application=APPLICATION,
        history=kept.looks,
        pool_numbers=pool_numbers,
        application_numbers=lambda: numbers_of(folder),
    ) as look:
        report = with_findings(Doctor((*PLATFORM_CHECKS, *ALL)).examine(look, kept.acknowledged), more)
        if platform.server.is_private:
            report = msgspec.structs.replace(report, findings=as_can_be_done(report.findings))
        kept = kept.after(take_snapshot(look))
        if asked.key is not None:
            known = {each.key: each for each in (*report.findings, *report.acknowledged)}
            if asked.key not in known:
                raise click.UsageError(
                    f"No finding has the key {asked.key!r} now; there are: {', '.join(sorted(known))}"
                )
            accepted = acknowledge(known[asked.key], asked.reason, kept.acknowledged, SystemClock().now())
            kept = Kept(kept.looks, accepted)
        write_kept(path, kept)
        deeds = _tell(look, report, asked)
    if asked.as_json:
        click.echo(report_as_json(report, deeds if asked.fix else None))
    return report.exit_code


def with_findings(report: Report, more: list[Finding]) -> Report:
    """The report with findings that no look at the server gives."""
    findings = sorted((*report.findings, *more), key=lambda each: -RANK[each.severity])
    return msgspec.structs.replace(report, findings=tuple(findings))


def _tell(look: Look, report: Report, asked: _Asked) -> list[Deed]:
    if not asked.as_json:
        click.echo(as_text(report, colour=sys.stdout.isatty(), all_ok=asked.shows_all))
    deeds: list[Deed] = []
    if asked.fix:
        for deed in apply(look, report, lambda finding, cure: asked.yes or _ask(finding, cure)):
            deeds.append(deed)
            click.echo(deed_as_text(deed), err=asked.as_json)
    return deeds


def _ask(finding: Finding, cure: Cure) -> bool:
    click.echo(cure_as_text(finding, cure), err=True)
    return click.confirm("Do it?", default=False, err=True)
