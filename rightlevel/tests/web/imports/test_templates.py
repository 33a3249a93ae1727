"""Templates: what they offer is what an import takes, in either language."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from people import Cast

from flatwater.clock import StandingClock
from flatwater.transaction import Session
from rightlevel.programme.exchange import (
    KINDS,
    NewRun,
    Progress,
    import_sheet,
    open_sheet,
    read_terms,
    start_run,
)
from rightlevel.web.imports.templates import template_of

pytestmark = pytest.mark.anyio


def lists_of(sheet: Any) -> dict[str, list[str]]:
    """What the cells of each column offer, by its header."""
    offered: dict[str, list[str]] = {}
    for rule in sheet.data_validations.dataValidation:
        column = str(rule.sqref).rstrip("0123456789").partition(":")[0].rstrip("0123456789")
        offered[sheet[f"{column}1"].value] = rule.formula1.strip('"').split(",")
    return offered


@pytest.mark.parametrize("language", ["en", "km"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_template_filled_from_its_lists_is_imported(
    session: Session, cast: Cast, clock: StandingClock, tmp_path: Path, kind: Any, language: str
) -> None:
    terms = await read_terms(session, cast.coordinator, clock)
    book = openpyxl.load_workbook(io.BytesIO(template_of(kind, language, terms)))
    sheet = book[kind]
    offered = lists_of(sheet)
    assert len(offered) >= {"places": 1, "classes": 2, "people": 2}.get(kind, 3)
    headers = [cell.value for cell in sheet[1]]
    known = {
        "students": {0: "A", 1: "T1", 2: "Templated"},
        "schools": {0: "T1", 1: "Templated"},
        "results": {0: "A", 1: "A0", 4: "2026-11-10"},
        "places": {0: offered.get(headers[0], ["", ""])[1], 1: "T1", 2: "Templated", 4: "XX"},
        "classes": {0: "A", 3: "T"},
        "people": {0: "templated", 1: "Templated", 2: offered.get(headers[2], [""])[-1]},
        "assignments": {0: "stranger", 1: "B", 3: None, 5: None, 8: offered.get(headers[-1], [""])[0]},
    }[kind]
    row = [
        known.get(number, offered[header][0] if header in offered else None)
        for number, header in enumerate(headers)
    ]
    if kind == "schools":
        row[10:14] = ["Exampleland", "XX", "First Province", "P1"]
    sheet.append(row)
    path = tmp_path / "filled.xlsx"
    book.save(path)
    new = NewRun(kind, path.name, is_dry_run=False, bytes_total=path.stat().st_size)
    run_id = await start_run(session, cast.coordinator, new, clock)
    with open_sheet(path) as opened:
        outcome = await import_sheet(session, cast.coordinator, run_id, new, opened, None, Progress(), clock)
    assert (outcome.added, outcome.faults) == (1, 0), outcome
