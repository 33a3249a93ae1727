"""A process that takes a file over to import it, to be killed: `python killed_import.py CONNINFO FOLDER FILE ACTOR` prints the run's id."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from flatwater.clock import SystemClock
from flatwater.pool import Database
from rightlevel.operations.import_runner import ImportRequest, ImportRunner
from rightlevel.programme.exchange import NewRun
from rightlevel.programme.permissions import Actor


async def main(conninfo: str, folder: str, file: str, actor: str) -> None:
    path = Path(file)
    new = NewRun("students", path.name, is_dry_run=False, bytes_total=path.stat().st_size)
    async with Database(conninfo) as database:
        runner = ImportRunner(database, SystemClock(), Path(folder))
        await runner.start()
        run = await runner.submit(
            ImportRequest(new, path, None, msgspec.json.decode(actor.encode(), type=Actor))
        )
        sys.stdout.write(f"{run.id}\n")
        sys.stdout.flush()
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
