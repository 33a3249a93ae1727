"""The doctor, asked from the running platform: one look at a time, kept for a minute, its safe cures applied on request."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec

from flatwater.doctor.model import Cure, Finding, Snapshot
from rightlevel.programme.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from flatwater.doctor.application_numbers import ApplicationNumbers
    from flatwater.doctor.fix import Deed
    from flatwater.doctor.look import Look
    from flatwater.doctor.pool_numbers import PoolNumbers
    from flatwater.doctor.run import Doctor
    from flatwater.pool import PoolStatistics

APPLICATION: Final = "rightlevel"
FRESH_S: Final = 60.0
LOOKS_KEPT: Final = 12


class CureGone(Conflict):
    """What this would cure is no longer there, or may not be cured from here. Look again."""

    code = "cure_gone"


class Examination(msgspec.Struct, frozen=True):
    """The last look: what deserves attention, the worst first, or why there was none."""

    findings: tuple[Finding, ...]
    refusal: str = ""


class DoctorDesk:
    """Looks at this platform's own server. *Cost*: a third of a second in a thread, at most once a minute; one connection meanwhile.

    The checks and their queries take 8 MB, so they are loaded when somebody first asks.
    """

    def __init__(
        self,
        conninfo: str,
        statistics: Callable[[], PoolStatistics],
        own_numbers: Callable[[], ApplicationNumbers | None] | None = None,
        *,
        is_private: bool = False,
    ) -> None:
        self._conninfo = conninfo
        self._statistics = statistics
        self._own_numbers = own_numbers
        self._is_private = is_private
        self._lock = asyncio.Lock()
        self._doctor: Doctor | None = None
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

    def _ready(self) -> Doctor:
        from flatwater.doctor.checks import ALL
        from flatwater.doctor.run import Doctor
        from rightlevel.operations.platform_checks import PLATFORM_CHECKS

        self._doctor = self._doctor or Doctor((*PLATFORM_CHECKS, *ALL))
        return self._doctor

    def _open(self) -> Look:
        from flatwater.doctor.look import Look

        return Look(
            self._conninfo,
            application=APPLICATION,
            history=self._looks,
            pool_numbers=self._pool_numbers,
            application_numbers=self._own_numbers,
        )

    def _pool_numbers(self) -> PoolNumbers:
        from flatwater.doctor.pool_numbers import PoolNumbers

        now = self._statistics()
        return PoolNumbers({"waiting": now.waiting, "wait_s": now.wait_s}, now.waiting_routes)

    def _look(self) -> Examination:
        from flatwater.doctor.look import CouldNotLook
        from flatwater.doctor.run import take_snapshot
        from rightlevel.operations.private_server_advice import as_can_be_done

        try:
            with self._open() as look:
                report = self._ready().examine(look)
                self._looks = (*self._looks, take_snapshot(look))[-LOOKS_KEPT:]
        except CouldNotLook as reason:
            return Examination((), str(reason))
        findings = as_can_be_done(report.findings) if self._is_private else report.findings
        return Examination(tuple(each for each in findings if each.severity != "ok"))

    async def cure(self, key: str, sql: str) -> Deed:
        """Applies one safe cure of one finding, if a look taken now still finds it. *Errors*: CureGone."""
        async with self._lock:
            self._looked_at = float("-inf")
            return await asyncio.to_thread(self._cure, key, sql)

    def _cure(self, key: str, sql: str) -> Deed:
        from flatwater.doctor.fix import apply
        from flatwater.doctor.look import CouldNotLook

        def agrees(finding: Finding, cure: Cure) -> bool:
            return finding.key == key and cure.sql == sql

        try:
            with self._open() as look:
                for deed in apply(look, self._ready().examine(look), agrees):
                    if deed.finding.key == key and deed.cure.sql == sql:
                        return deed
        except CouldNotLook as reason:
            raise CureGone(str(reason)) from reason
        raise CureGone
