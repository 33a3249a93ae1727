"""`rightlevel doctor`: everything flatwater's doctor knows, and what it must know of this platform."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

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
from rightlevel.assembly import Platform
from rightlevel.commands.running import data_option, json_option, settings_for, with_platform
from rightlevel.operations.platform_checks import PLATFORM_CHECKS, finding_of
from rightlevel.operations.reconcile import reconcile

APPLICATION = "rightlevel"
RECONCILE_S = 3_600.0
COULD_NOT_LOOK = 3


@click.command()
@data_option
@json_option
@click.option("--fix", is_flag=True, help="Apply the safe cures, one by one, asking before each.")
@click.option("--yes", is_flag=True, help="Answer yes to each cure.")
@click.option("--all", "shows_all", is_flag=True, help="Tell also what is well.")
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
    """Find what ails this platform and its database, explain it and cure it. Exits with 0, 1 (warning) or 2 (critical)."""
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
        path = platform.settings.data_folder / "doctor.json"
        return await asyncio.to_thread(
            _examine, platform.server.conninfo, path, more, pool_numbers, as_json=as_json, fix=fix, yes=yes, shows_all=shows_all, key=key, reason=reason
        )  # fmt: skip

    try:
        sys.exit(with_platform(settings_for(data_folder), work))
    except (CouldNotLook, SnapshotBroken, TooManyAcknowledged) as error:
        click.echo(str(error), err=True)
        sys.exit(COULD_NOT_LOOK)


def _examine(
    conninfo: str, path: Path, more: list[Finding], pool_numbers: Callable[[], PoolNumbers] | None, *, as_json: bool, fix: bool, yes: bool, shows_all: bool, key: str | None, reason: str
) -> int:  # fmt: skip
    kept = read_kept(path)
    with Look(conninfo, application=APPLICATION, history=kept.looks, pool_numbers=pool_numbers) as look:
        report = with_findings(Doctor((*PLATFORM_CHECKS, *ALL)).examine(look, kept.acknowledged), more)
        kept = kept.after(take_snapshot(look))
        if key is not None:
            known = {each.key: each for each in (*report.findings, *report.acknowledged)}
            if key not in known:
                raise click.UsageError(
                    f"No finding has the key {key!r} now; there are: {', '.join(sorted(known))}"
                )
            kept = Kept(kept.looks, acknowledge(known[key], reason, kept.acknowledged, SystemClock().now()))
        write_kept(path, kept)
        deeds = _tell(look, report, as_json=as_json, fix=fix, yes=yes, shows_all=shows_all)
    if as_json:
        click.echo(report_as_json(report, deeds if fix else None))
    return report.exit_code


def with_findings(report: Report, more: list[Finding]) -> Report:
    """The report with findings that no look at the server gives."""
    findings = sorted((*report.findings, *more), key=lambda each: -RANK[each.severity])
    return Report(
        report.at, report.database, report.server_version, report.application, tuple(findings), report.acknowledged, report.took_ms
    )  # fmt: skip


def _tell(look: Look, report: Report, *, as_json: bool, fix: bool, yes: bool, shows_all: bool) -> list[Deed]:
    if not as_json:
        click.echo(as_text(report, colour=sys.stdout.isatty(), all_ok=shows_all))
    deeds: list[Deed] = []
    if fix:
        for deed in apply(look, report, lambda finding, cure: yes or _ask(finding, cure)):
            deeds.append(deed)
            click.echo(deed_as_text(deed), err=as_json)
    return deeds


def _ask(finding: Finding, cure: Cure) -> bool:
    click.echo(cure_as_text(finding, cure), err=True)
    return click.confirm("Do it?", default=False, err=True)
