"""`rightlevel doctor`: everything flatwater's doctor knows, and what it must know of this platform."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import click
import msgspec

from flatwater.commands.consultation import Asked, asks, consult, telling_why_not
from flatwater.doctor.acknowledged import Acknowledged
from flatwater.doctor.checks import ALL
from flatwater.doctor.look import Look
from flatwater.doctor.model import RANK, Finding
from flatwater.doctor.pool_numbers import read_pool
from flatwater.doctor.run import Doctor, Report
from flatwater.doctor.snapshot import read_kept
from rightlevel.assembly import APPLICATION, Platform
from rightlevel.commands.running import data_option, settings_for, with_platform
from rightlevel.operations.own_numbers import numbers_of
from rightlevel.operations.platform_checks import PLATFORM_CHECKS, finding_of
from rightlevel.operations.private_server_advice import as_can_be_done
from rightlevel.operations.reconcile import reconcile

RECONCILE_S = 3_600.0


@click.command()
@data_option
@asks
@click.option(
    "--no-reconcile", is_flag=True, help="Leave out recounting every figure, which reads every result."
)
def doctor_command(data_folder: Path | None, *, no_reconcile: bool, asked: Asked) -> None:
    """Diagnose this platform and its database, explain what is found and fix it.

    Exits with 0 (well, or worth knowing), 1 (warning), 2 (critical) or 3 (could not look).
    """

    async def work(platform: Platform) -> int:
        more: list[Finding] = []
        if not no_reconcile:
            async with platform.database.snapshot(deadline_s=RECONCILE_S) as session:
                more.append(finding_of(await reconcile(session)))
        return await asyncio.to_thread(_examine, platform, more, asked)

    with telling_why_not(asked):
        sys.exit(with_platform(settings_for(data_folder), work))


def _examine(platform: Platform, more: list[Finding], asked: Asked) -> int:
    folder = platform.settings.data_folder
    path = folder / "doctor.json"
    kept = read_kept(path)

    def examine(look: Look, acknowledged: tuple[Acknowledged, ...]) -> Report:
        report = with_findings(Doctor((*PLATFORM_CHECKS, *ALL)).examine(look, acknowledged), more)
        if platform.server.is_private:
            report = msgspec.structs.replace(report, findings=as_can_be_done(report.findings))
        return report

    with Look(
        platform.server.conninfo,
        application=APPLICATION,
        history=kept.looks,
        pool_numbers=None if asked.healthz is None else partial(read_pool, asked.healthz),
        application_numbers=lambda: numbers_of(folder),
    ) as look:
        code, _ = consult(look, path, kept, examine, asked)
    return code


def with_findings(report: Report, more: list[Finding]) -> Report:
    """The report with findings that no look at the server gives."""
    findings = sorted((*report.findings, *more), key=lambda each: -RANK[each.severity])
    return msgspec.structs.replace(report, findings=tuple(findings))
