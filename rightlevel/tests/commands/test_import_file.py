"""`rightlevel import` as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).parent / "rightlevel")
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "aser-pakistan-2019.toml"
HEADER = "SYEAR,AREA,RNAME,DNAME,VCODE,STYPE,SID,S011n,S011n\n"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "import", *map(str, words)], capture_output=True, text=True, check=False, timeout=120
    )


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "registry.csv"
    rows = "".join(f"2019,{1 + n % 2},NORTH,AREA {n % 3},,{1 + n % 2},{n},,1\n" for n in range(50))
    path.write_text(HEADER + rows)
    return path


def test_a_registry_is_tried_imported_and_imported_again(folder: Path, registry: Path) -> None:
    words = ("schools", registry, "--mapping", EXAMPLE, "--data", folder)
    tried = run(*words, "--dry-run", "--json")
    assert tried.returncode == 0, tried.stderr
    report = report_of(tried)
    assert set(report) == {
        "added",
        "changed",
        "unchanged",
        "faults",
        "rows",
        "dry_run",
        "seconds",
        "left_out",
        "skipped",
    }
    assert (report["added"], report["rows"], report["dry_run"]) == (50, 50, True)
    first = report_of(run(*words, "--json"))
    assert (first["added"], first["changed"], first["unchanged"], first["faults"]) == (50, 0, 0, 0)
    again = run(*words)
    assert again.returncode == 0
    assert "50 rows" in again.stdout
    assert "0 added, 0 changed, 50 as they were" in again.stdout


def test_faults_are_told_by_row_and_column_and_the_command_fails(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("code,name,country,district,area\n" + "".join(f"{n},,X,Y,town\n" for n in range(40)))
    done = run("schools", path, "--data", folder)
    assert done.returncode == 1
    assert "80 errors in 40 rows; nothing was saved" in done.stdout
    assert "row 2, area: 'town': One of: rural, urban" in done.stdout
    assert "and 30 more" in done.stdout
    told = run("schools", path, "--data", folder, "--json")
    assert (told.returncode, report_of(told)["faults"], len(told.stdout.splitlines())) == (1, 80, 1)


def test_a_mapping_that_is_wrong_is_told_before_anything_starts(
    folder: Path, registry: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('code = {colum = "SID"}\n')
    done = run("schools", registry, "--mapping", mapping, "--data", folder)
    assert done.returncode == 2
    assert "code.colum" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_sheet_is_refused_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"%PDF-1.7")
    done = run("students", path, "--data", folder)
    assert done.returncode == 1
    assert "CSV" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_kind_or_file_that_is_not_there_is_a_usage_error(folder: Path) -> None:
    assert run("teachers", EXAMPLE, "--data", folder).returncode == 2
    assert run("schools", folder / "nowhere.csv", "--data", folder).returncode == 2
