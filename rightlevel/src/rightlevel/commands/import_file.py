"""`rightlevel import`: schools or students from a CSV or XLSX file, all of it or nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from flatwater.paging import PageRequest
from flatwater.supervisor import Supervisor
from rightlevel.assembly import Platform
from rightlevel.commands.running import (
    EXIT_REFUSED,
    EXIT_USAGE,
    data_option,
    json_option,
    settings_for,
    with_platform,
)
from rightlevel.commands.words import MOST_TEXT_BYTES, RegularFile, shown, tell_faults
from rightlevel.operations.import_runner import ImportRequest, begin_import, perform_import
from rightlevel.programme.exchange import (
    KINDS,
    PERSONAL_KINDS,
    ColumnMapping,
    ImportFault,
    ImportOutcome,
    Kind,
    MappingInvalid,
    NewRun,
    Progress,
    read_mapping,
)
from rightlevel.programme.exchange.left_rows import MARK, row_to_mend
from rightlevel.programme.exchange.store import page_of_faults, page_of_left_rows

SHOWN_FAULTS = 50
LEFT_ROWS_AT_ONCE = 1_000
READ_S = 10.0
LOOK_EVERY_S = 0.2


class Report(msgspec.Struct, frozen=True):
    """The line of JSON that `--json` ends with."""

    added: int
    changed: int
    unchanged: int
    faults: int
    rows: int
    dry_run: bool
    seconds: float
    left_out: int = 0
    skipped: int = 0


@click.command()
@click.argument("kind", type=click.Choice([kind for kind in KINDS if kind not in PERSONAL_KINDS]))
@click.argument("file", type=RegularFile())
@click.option(
    "--mapping",
    "mapping_file",
    type=RegularFile(MOST_TEXT_BYTES),
    default=None,
    help="A TOML file that says which column fills which field (see docs/examples).",
)
@click.option("--dry-run", is_flag=True, help="Say what would change and save nothing.")
@click.option(
    "--leave-bad-rows",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    metavar="CSV",
    help="Save the other rows when some are wrong, and write those to this file, to be mended.",
)
@data_option
@json_option
def import_command(
    kind: str,
    file: Path,
    mapping_file: Path | None,
    data_folder: Path | None,
    leave_bad_rows: Path | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import schools or students from FILE (CSV or XLSX): all of it, or nothing when something in it is wrong (but see --leave-bad-rows).

    Rows are matched by key, a school by its code, a child by its school's code and its own; the same file again
    changes nothing. Without --mapping, columns are found by their headers, in English or Khmer. A mapped column is taken
    as it is: a blank cell clears what was there.
    """
    kind = cast("Kind", kind)
    mapping, said = _mapping(mapping_file, kind)
    leaves_bad_rows = leave_bad_rows is not None
    new = NewRun(
        kind=kind,
        filename=file.name,
        is_dry_run=dry_run,
        bytes_total=file.stat().st_size,
        leaves_bad_rows=leaves_bad_rows,
        mapping=said,
    )
    began = time.monotonic()

    async def work(platform: Platform) -> tuple[ImportOutcome, list[ImportFault]]:
        request = ImportRequest(new, file, mapping)
        run_id = await begin_import(platform.database, platform.clock, request)
        progress = Progress()
        async with _shown(progress, file.name):
            outcome = await perform_import(platform.database, platform.clock, run_id, request, progress)
        async with platform.database.read(deadline_s=READ_S) as session:
            page = await page_of_faults(session, run_id, PageRequest(SHOWN_FAULTS))
        if leave_bad_rows is not None and outcome.skipped:
            await _write_left_rows(platform, run_id, leave_bad_rows, keeps_place="header_row" in said)
        return outcome, page.items

    outcome, faults = with_platform(settings_for(data_folder), work)
    seconds = time.monotonic() - began
    _tell(outcome, faults, seconds, to_stderr=as_json)
    if as_json:
        click.echo(msgspec.json.encode(_report(outcome, seconds)).decode())
    sys.exit(EXIT_REFUSED if outcome.faults else 0)


async def _write_left_rows(platform: Platform, run_id: str, path: Path, *, keeps_place: bool) -> None:
    """Writes the rows that were left out as a file to mend."""
    page = PageRequest(LEFT_ROWS_AT_ONCE)
    content = [MARK]
    while True:
        async with platform.database.read(deadline_s=READ_S) as session:
            found = await page_of_left_rows(session, run_id, page)
        content += [row_to_mend(row, keeps_place=keeps_place) for row in found.items]
        if found.next is None:
            break
        page = PageRequest(LEFT_ROWS_AT_ONCE, found.next)
    await asyncio.to_thread(path.write_bytes, b"".join(content))


def _mapping(path: Path | None, kind: Kind) -> tuple[ColumnMapping | None, str]:
    if path is None:
        return None, ""
    try:
        text = path.read_text("utf-8-sig")
        return read_mapping(text, kind), text
    except UnicodeDecodeError:
        click.echo(f"{shown(path)} is not UTF-8 text.", err=True)
    except MappingInvalid as invalid:
        click.echo(f"{shown(path)}: {invalid}", err=True)
        tell_faults(invalid.faults)
    sys.exit(EXIT_USAGE)


@asynccontextmanager
async def _shown(progress: Progress, name: str) -> AsyncIterator[None]:
    """A moving bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        shown = bar.add_task(name, total=1.0, rows="0")

        async def look() -> None:
            part = progress.bytes_done / max(1, progress.bytes_total)
            what = "Saving" if progress.state == "saving" else "Reading"
            bar.update(shown, completed=part, description=f"{what} {name}", rows=f"{progress.rows:,}")

        async with Supervisor() as supervisor:
            supervisor.every("import bar", look, period_s=LOOK_EVERY_S, first_after_s=0.0)
            yield


def _tell(outcome: ImportOutcome, faults: list[ImportFault], seconds: float, *, to_stderr: bool) -> None:
    def say(text: str) -> None:
        click.echo(shown(text), err=to_stderr)  # a file's own words are in it

    if outcome.message:
        say(outcome.message)
    if outcome.faults:
        what = f"{outcome.skipped:,} rows were left out" if outcome.skipped else "nothing was saved"
        say(f"{outcome.faults:,} errors in {outcome.rows:,} rows; {what}.")
        for fault in faults:
            where = f"  row {fault.row_number}" + (f", {fault.column_name}" if fault.column_name else "")
            say(f"{where}: {fault.value!r}: {fault.rule}" if fault.value else f"{where}: {fault.rule}")
            if fault.cure:
                say(f"    in a mapping: {fault.cure}")
        if outcome.faults > len(faults):
            say(f"  and {outcome.faults - len(faults):,} more")
        if not outcome.skipped:
            return
    if outcome.left_out:
        say(f"{outcome.left_out:,} rows were not asked for.")
    would = "would be " if outcome.is_dry_run else ""
    say(
        f"{outcome.rows:,} rows in {seconds:.1f} s: {outcome.added:,} {would}added, {outcome.changed:,} {would}changed, "
        f"{outcome.unchanged:,} as they were."
        + (" Nothing was saved: this was a dry run." if outcome.is_dry_run else "")
    )


def _report(outcome: ImportOutcome, seconds: float) -> Report:
    return Report(
        added=outcome.added,
        changed=outcome.changed,
        unchanged=outcome.unchanged,
        faults=outcome.faults,
        rows=outcome.rows,
        dry_run=outcome.is_dry_run,
        seconds=round(seconds, 3),
        left_out=outcome.left_out,
        skipped=outcome.skipped,
    )
