"""The doctor, asked from the running platform: one look at a time, kept for a minute, its safe cures applied on request."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from flatwater.doctor.checks import ALL
from flatwater.doctor.fix import Deed, apply
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import Cure, Finding, Snapshot
from flatwater.doctor.run import Doctor, Report, take_snapshot
from rightlevel.operations.platform_checks import PLATFORM_CHECKS
from rightlevel.programme.errors import Conflict

APPLICATION: Final = "rightlevel"
FRESH_S: Final = 60.0
LOOKS_KEPT: Final = 12


class CureGone(Conflict):
    """What this would cure is no longer there, or may not be cured from here. Look again."""

    code = "cure_gone"


class Examination(msgspec.Struct, frozen=True):
    """The last look: its report, or why there was none."""

    report: Report | None
    refusal: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What deserves attention, the worst first."""
        return (
            ()
            if self.report is None
            else tuple(each for each in self.report.findings if each.severity != "ok")
        )


class DoctorDesk:
    """Looks at this platform's own server. *Cost*: a third of a second in a thread, at most once a minute; one connection meanwhile."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._lock = asyncio.Lock()
        self._doctor = Doctor((*PLATFORM_CHECKS, *ALL))
        self._looks: tuple[Snapshot, ...] = ()
        self._last: Examination | None = None
        self._looked_at = float("-inf")

    async def examine(self, *, afresh: bool = False) -> Examination:
        """The last look if it is fresh, else a new one."""
        async with self._lock:
            if self._last is None or afresh or time.monotonic() - self._looked_at > FRESH_S:
                self._last = await asyncio.to_thread(self._look)
                self._looked_at = time.monotonic()
            return self._last

    def _look(self) -> Examination:
        try:
            with Look(self._conninfo, application=APPLICATION, history=self._looks) as look:
                report = self._doctor.examine(look)
                self._looks = (*self._looks, take_snapshot(look))[-LOOKS_KEPT:]
        except CouldNotLook as reason:
            return Examination(None, str(reason))
        return Examination(report)

    async def cure(self, key: str, sql: str) -> Deed:
        """Applies one safe cure of one finding, if a look taken now still finds it. *Errors*: CureGone."""
        async with self._lock:
            self._looked_at = float("-inf")
            return await asyncio.to_thread(self._cure, key, sql)

    def _cure(self, key: str, sql: str) -> Deed:
        def agrees(finding: Finding, cure: Cure) -> bool:
            return finding.key == key and cure.sql == sql

        try:
            with Look(self._conninfo, application=APPLICATION, history=self._looks) as look:
                for deed in apply(look, self._doctor.examine(look), agrees):
                    if deed.finding.key == key and deed.cure.sql == sql:
                        return deed
        except CouldNotLook as reason:
            raise CureGone(str(reason)) from reason
        raise CureGone
