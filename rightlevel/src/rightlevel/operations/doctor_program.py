"""The doctor of a running platform, in a process of its own: one question on standard input, one answer on standard output.

What the checks load and what their looks leave behind (25 MB were seen) a service would keep for good; here it goes with the process.
"""

from __future__ import annotations

import sys

import msgspec

from flatwater.allocator import keep_little
from flatwater.doctor.application_numbers import ApplicationNumbers
from flatwater.doctor.model import Finding, Snapshot
from flatwater.doctor.pool_numbers import PoolNumbers

APPLICATION = "rightlevel"


class Asked(msgspec.Struct, frozen=True):
    """One look: where, with what was remembered of those before; and the one cure to apply, if any.

    It comes over standard input, never as arguments, which any user of the machine can read: it holds a password.
    """

    conninfo: str
    history: tuple[Snapshot, ...]
    resting: dict[str, str]
    pool: PoolNumbers
    key: str = ""
    sql: str = ""
    own: ApplicationNumbers | None = None
    is_private: bool = False


class Done(msgspec.Struct, frozen=True):
    """What came of a cure."""

    done: bool
    said: str


class Told(msgspec.Struct, frozen=True):
    """What one look found, and what is to be remembered; `refusal` where there was none. `cure` is None when what it cures is gone."""

    findings: tuple[Finding, ...] = ()
    snapshot: Snapshot | None = None
    resting: dict[str, str] = {}
    refusal: str = ""
    cure: Done | None = None


def look(asked: Asked) -> Told:
    """The answer. *Cost*: a third of a second, one connection."""
    from flatwater.allocator import forget_files
    from flatwater.doctor.checks import ALL
    from flatwater.doctor.fix import apply
    from flatwater.doctor.look import CouldNotLook, Look
    from flatwater.doctor.model import Cure
    from flatwater.doctor.run import Doctor, take_snapshot
    from rightlevel.operations.platform_checks import PLATFORM_CHECKS
    from rightlevel.operations.private_server_advice import as_can_be_done

    def agrees(finding: Finding, cure: Cure) -> bool:
        return finding.key == asked.key and cure.sql == asked.sql

    forget_files()  # what loading has read of libraries would count beside what the look takes
    doctor = Doctor((*PLATFORM_CHECKS, *ALL), resting=asked.resting)
    try:
        with Look(
            asked.conninfo,
            application=APPLICATION,
            history=asked.history,
            pool_numbers=lambda: asked.pool,
            application_numbers=lambda: asked.own,
        ) as opened:
            report = doctor.examine(opened)
            if not asked.sql:
                findings = as_can_be_done(report.findings) if asked.is_private else report.findings
                found = tuple(each for each in findings if each.severity != "ok")
                return Told(found, take_snapshot(opened), doctor.resting)
            for deed in apply(opened, report, agrees):
                if deed.finding.key == asked.key and deed.cure.sql == asked.sql:
                    return Told(resting=doctor.resting, cure=Done(deed.done, deed.said))
    except CouldNotLook as reason:
        return Told(refusal=str(reason))
    return Told(resting=doctor.resting)


def main() -> int:
    """Answers one question."""
    keep_little()
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    sys.stdout.buffer.write(msgspec.json.encode(look(asked)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
