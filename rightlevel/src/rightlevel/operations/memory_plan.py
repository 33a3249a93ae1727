"""How a memory budget is shared out, and whether it can hold at all: the arithmetic, before anything is started."""

from __future__ import annotations

from typing import Final

from flatwater.load_shedding import MEMORY_SHARES

MEGABYTE: Final = 1_000_000

PROGRAM_SHARE: Final = 0.9
"""What the program may reach of the budget where it has a PostgreSQL of its own; shedding begins at 85 % of this."""
RESTING_BYTES: Final = 84 * MEGABYTE
"""What the program rests at, at most, once everything has been opened in both languages and files were imported.

*Source*: weighed as if alone on the machine with a million children (benchmarks/README.md, `resting`): 82 to 84 MB, 15 of them the files of libraries; a test holds it
(rightlevel/tests/web/test_resting.py).
"""
STARTING_BYTES: Final = 65 * MEGABYTE
"""What it takes when it has just started; the rest of RESTING_BYTES comes with what is opened."""
HASHING_BYTES: Final = 19 * 1024 * 1024
"""A password that is hashed (accounts/passwords.py), given back after."""
TWO_SLOTS_FROM: Final = 200 * MEGABYTE
"""The budget from which two are hashed at once; a second one waits 25 ms otherwise."""
OWN_SERVER_BYTES: Final = 46 * MEGABYTE
"""What a PostgreSQL of one's own takes beside. *Source*: with a million children 34 MB at rest, 51 while 200,000 are imported (benchmarks/README.md)."""


class BudgetCannotHold(Exception):
    """The memory budget is smaller than what the program takes, so everybody would be turned away. Nothing was started."""


def program_allowance(budget_bytes: int, *, is_private: bool) -> int:
    """What the program itself may take of the budget; all of it where the database is somewhere else."""
    return int(budget_bytes * PROGRAM_SHARE) if is_private else budget_bytes


def hashing_slots(budget_bytes: int) -> int:
    """How many passwords are hashed at once."""
    return 2 if budget_bytes >= TWO_SLOTS_FROM else 1


def smallest_budget(*, is_private: bool, resting_bytes: int = RESTING_BYTES) -> int:
    """The smallest budget with which reading goes on while somebody signs in, an own server counted. *Units*: bytes, in whole megabytes."""
    working = resting_bytes + HASHING_BYTES
    needed = working / MEMORY_SHARES["normal"]
    if is_private:
        needed = max(needed / PROGRAM_SHARE, working + OWN_SERVER_BYTES)
    return -int(-needed // MEGABYTE) * MEGABYTE


def require_budget(budget_bytes: int, *, is_private: bool, started_bytes: int | None = None) -> None:
    """Passes for a budget that holds. `started_bytes`: what the program takes now that it has started; more than usual counts.

    *Errors*: BudgetCannotHold, with the arithmetic.
    """
    resting = RESTING_BYTES + max(0, (started_bytes or 0) - STARTING_BYTES)
    smallest = smallest_budget(is_private=is_private, resting_bytes=resting)
    if budget_bytes >= smallest:
        return
    allowance = program_allowance(budget_bytes, is_private=is_private)
    server = f", beside {OWN_SERVER_BYTES / MEGABYTE:.0f} MB of its PostgreSQL" if is_private else ""
    own = f", {PROGRAM_SHARE:.0%} of it for the program beside its own PostgreSQL," if is_private else ""
    raise BudgetCannotHold(
        f"A memory budget of {budget_bytes // MEGABYTE} MB can't hold: it leaves the program {allowance // MEGABYTE} MB{own} and reading is turned"
        f" away above {MEMORY_SHARES['normal']:.0%} of that, which is {allowance * MEMORY_SHARES['normal'] / MEGABYTE:.0f} MB. The program rests at"
        f" {resting / MEGABYTE:.0f} MB once everything was opened, and a password that is hashed takes"
        f" {HASHING_BYTES / MEGABYTE:.0f} MB more: {(resting + HASHING_BYTES) / MEGABYTE:.0f} MB{server}."
        f" Give it at least --memory {smallest // MEGABYTE}."
    )
