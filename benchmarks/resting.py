"""Where memory comes to rest: everything opened once, a large file imported, the operator's page; and the shortest way to shut a service.

With a million children the walk opens each GET route as each role in both languages, for a school full of everything and for the largest of
those generated; two people sign in at once, a file of 200,000 children is imported, and the operator's page is looked at. PSS throughout:
shared buffers count once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from benchmarks.work import ROOT, Figure, free_port, generated
from rightlevel.operations.memory_plan import program_allowance

BUDGET = 150_000_000
ROWS = 200_000
SCHOOLS = 10_000
CHILDREN = 1_000_000
MOST_SHARE = 0.70
AFTER_MB = 120.0
LEFT_ALONE_S = 75.0
ROUTES: int | None = None
TINY = {"ROWS": 50, "SCHOOLS": 12, "CHILDREN": 1_200, "LEFT_ALONE_S": 0.1, "ROUTES": 2}
"""Connections that nobody needs are closed after a minute."""


def measure(say: Callable[[str], None]) -> list[Figure]:
    with generated(SCHOOLS, CHILDREN, name="resting") as folder:
        (folder / "made").unlink()  # it is changed from here on, so the next run makes it anew
        return asyncio.run(_walk(_opening(), folder, say))


def _opening() -> ModuleType:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    import opening_everything

    return opening_everything


async def _walk(opening: ModuleType, folder: Path, say: Callable[[str], None]) -> list[Figure]:
    with opening.running(folder, free_port()) as service:
        start = service.weight()
        say(f"at the start: {start}")
        signed_in = await asyncio.gather(*(opening.sign_in(service, name) for name in ("mentor", "teacher")))
        say(f"two signed in at once ({signed_in}): {service.weight()}")
        statuses = await opening.open_everything(service, most=ROUTES)
        walked = service.weight()
        say(f"{sum(statuses.values()):,} answers ({dict(sorted(statuses.items()))}): {walked}")
        turned_away = statuses[503]
        async with service.client("admin") as client:
            turned_away += (await client.get("/operations")).status_code == 503
        say(f"the operator's page: {service.weight()}")
        ended, most = await opening.import_children(
            service, opening.roster(ROWS, "R", [f"G{each:06}" for each in range(SCHOOLS)])
        )
        say(f"an import of {ROWS:,} ({ended}), at its highest: {most}")
        await asyncio.sleep(LEFT_ALONE_S)
        after = service.weight()
        say(f"{LEFT_ALONE_S:.0f} s later: {after}")
        share = after.program / program_allowance(BUDGET, is_private=True)
        said = service.said()
    is_well = ended == "done" and not turned_away and "turning away" not in said
    return [
        Figure(
            "the program's share of its allowance, at rest",
            share,
            "",
            f"<= {MOST_SHARE}",
            share <= MOST_SHARE,
            f"program {after.program / 1e6:.1f} MB; {start.program / 1e6:.1f} at the start, {walked.program / 1e6:.1f} once all was opened",
        ),
        Figure(
            f"everything during an import of {ROWS:,}",
            most.whole / 1e6,
            "MB",
            f"<= {BUDGET / 1e6:.0f} MB",
            most.whole <= BUDGET,
            f"program {most.program / 1e6:.1f} + PostgreSQL {most.database / 1e6:.1f}",
        ),
        Figure(
            "everything after",
            after.whole / 1e6,
            "MB",
            f"<= {AFTER_MB:.0f} MB",
            after.whole / 1e6 <= AFTER_MB,
            f"program {after.program / 1e6:.1f} + PostgreSQL {after.database / 1e6:.1f}, {LEFT_ALONE_S:.0f} s after",
        ),
        Figure(
            "turned away on the way",
            float(turned_away),
            "requests",
            "0",
            is_well,
            f"of {sum(statuses.values()):,} answers; import {ended}",
        ),
    ]
