"""Room on the disk that the server writes to, where this program is on its machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import graded, well

NAME: Final = "disk_space"


class _Folder(Struct, frozen=True):
    folder: str


class DiskSpace(Struct, frozen=True):
    """*Source*: 90 and 95 % as check_postgres has them."""

    warning: float = 0.90
    critical: float = 0.95
    name: str = NAME
    title: str = "Room on the disk"
    why: str = "A server that can't write its log stops at once."

    def look(self, look: Look) -> Iterator[Finding]:
        if not look.is_local:
            raise NotExamined(
                "The server is on another machine; what its disk has left can't be seen through a connection."
            )
        folder = Path(look.rows(queries["server_folder"], into=_Folder)[0].folder)
        found: list[Finding] = []
        seen: list[str] = []
        for name, place in {"files": folder, "log of writes": folder / "pg_wal"}.items():
            try:
                room = shutil.disk_usage(place)
            except OSError as error:
                raise NotExamined(
                    f"The folder of the server's {name} can't be looked into: {error.strerror}."
                ) from error
            # What only root may use counts as taken, for the server is not root.
            share = 1.0 - room.free / (room.used + room.free)
            seen.append(f"{share:.0%} of the disk of its {name} is taken, {in_words(room.free)} are left")
            severity = graded(share, warning=self.warning, critical=self.critical)
            if severity != "ok":
                found.append(
                    Finding(
                        check=NAME,
                        key=f"{NAME}/{name}",
                        severity=severity,
                        saw=f"{seen[-1][0].upper()}{seen[-1][1:]}.",
                        why=self.why,
                        cures=(
                            Cure(
                                explanation="See wal_and_slots, largest_tables, bloat and temp_files for what takes it. Never delete in the server's folder by hand."
                            ),
                        ),
                        numbers={"share": round(share, 3), "free_bytes": room.free},
                    )
                )
        yield from found
        if not found:
            yield well(self, f"{'; '.join(seen)}.", disks=len(seen))


CHECK = DiskSpace()
