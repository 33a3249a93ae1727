"""Writes the README's table from results.json, so that it quotes what was measured and nothing else: `python -m benchmarks.readme_table`.

In a row `<name|format>` is a figure, `<name!>` what stood beside it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = (
    (
        "Published headlines of ASER 2024 given back through import, results and figures",
        "<headlines given back|.0f> of 120, within <largest difference from a headline|.1f> points",
        "all, 0.2 points",
    ),
    (
        "Import of 1,000,000 children",
        "<import of 1,000,000 children|,.0f> rows/s; <import of 1,000,000 children!>",
        "50 % of a bare COPY",
    ),
    (
        "Memory of an import, 100,000 → 1,000,000 rows; of the whole system meanwhile",
        "+<memory from 100,000 to 1,000,000 rows|.1f> MB; <whole system during that import|.0f> MB PSS",
        "≤ 8 MB; 150 MB",
    ),
    (
        "A list of 50 children over HTTP, 16 clients",
        "<list of 50 children|,.0f>/s, <share of the bare handler|.0f> % of a bare handler with the same SQL, p99 <list of 50 children, p99|.1f> ms",
        "80 %; twice its p99",
    ),
    ("A list of 100 children", "<list of 100 children|,.0f>/s", "80 % of the bare handler"),
    (
        "Results one at a time, 16 devices",
        "<results one at a time|,.0f>/s (<results one at a time!>)",
        "70 % of a bare INSERT with its audit row",
    ),
    (
        "Results a class at a time",
        "<results a class at a time|,.0f> rows/s (<results a class at a time!>)",
        "60 % of a bare INSERT of a class",
    ),
    (
        "The country's page at 10,000,000 results",
        "<country's page at 10,000,000, median|.1f> ms, <country's page, 10,000,000 over 100,000|.2f> × that at 100,000",
        "100 × a bare SELECT; 1.5 ×",
    ),
    (
        "Everything (program and PostgreSQL), 1,000,000 children",
        "<everything, PSS, with 1,000,000 children|.0f> MB PSS",
        "≤ 150 MB",
    ),
    (
        "The whole, weighed as if alone on the machine, in a country with results, every page opened by each role in both languages; at its highest; after it",
        "<everything, at its highest|.0f> MB (<everything, at its highest!>); <everything after|.0f> MB",
        "≤ 150 MB; 120 MB",
    ),
    (
        "Sign-in beside eight who guess, half-sent requests and strangers with made-up tokens; quiet (medians)",
        "<sign-in under attack, median|.0f> ms; <sign-in, quiet, median|.0f> ms",
        "p95 ≤ 1 s",
    ),
    (
        "Growth over 200,000 mixed requests",
        "<slope over 200,000 mixed requests|.2f> bytes a request (<slope over 200,000 mixed requests!>)",
        "within ± 4 bytes",
    ),
    (
        "Groups of a school proposed; read; next week's visits among 500 schools, at 1,000,000 children",
        "<groups of a school proposed, 95 of 100|.1f> ms; <groups of a school read, 95 of 100|.1f> ms; <next week of 500 schools, median|.1f> ms",
        "50 ms each",
    ),
    (
        "A cache hit; a rate decision in memory; one in PostgreSQL",
        "<a cache hit|.2f> µs; <a rate decision in memory|.1f> µs; <a rate decision in PostgreSQL|.2f> ms",
        "cachetools' TTL; 100 × a look-up in a dict; 5 × a bare upsert",
    ),
    ("What all guards together cost a list of 50 children", "<what all guards cost|.1f> %", "≤ 6 %"),
    (
        "Connections for requests a process, at most; a minute later",
        "<connections for requests a process, at most|.0f>; <connections a process a minute later|.0f>",
        "3; 1",
    ),
    (
        "Left over after 20,000 writes cancelled at a random moment",
        "<left over after 20,000 random cancels|.0f>",
        "0",
    ),
    (
        "Of 37 troubles on one sick server: named by `flatwater doctor`, by PgHero's checks, by pg-extras'",
        (
            "<flatwater: troubles of 37 called by name|.0f>, <pghero: troubles of 37 called by name|.0f>, <pg_extras: troubles of 37 called by name|.0f> "
            "([most are this doctor's own checks](docs/operators/doctor-side-by-side.md))"
        ),
        "–",
    ),
    (
        "First demo to a page; serve on an existing folder",
        "<first demo to a page|.1f> s; <serve on an existing folder to a page|.1f> s",
        "15 s; 3 s",
    ),
)
HEAD = "| what | measured | promised |\n|---|---|---|\n"
_TABLE = re.compile(r"\| what \| measured \| promised \|\n(?:\|.*\n)+")


def table() -> str:
    """The table as it follows from results.json. *Errors*: KeyError for a figure that was not measured."""
    results = json.loads((ROOT / "benchmarks/results.json").read_text())
    known = {figure["name"]: figure for each in results.values() for figure in each["figures"]}

    def one(found: re.Match[str]) -> str:
        name, bar, form = found[1].partition("|")
        return format(known[name]["value"], form) if bar else known[name.removesuffix("!")]["floor"]

    return HEAD + "".join(
        f"| {' | '.join(re.sub('<([^>]+)>', one, cell) for cell in row)} |\n" for row in ROWS
    )


def with_table(readme: str) -> str:
    """The README with the table as it is now. *Errors*: ValueError where it has none, or two."""
    if len(_TABLE.findall(readme)) != 1:
        raise ValueError("the README has not exactly one table of what was measured")
    return _TABLE.sub(lambda _: table(), readme)


if __name__ == "__main__":
    page = ROOT / "README.md"
    page.write_text(with_table(page.read_text()))
