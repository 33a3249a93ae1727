"""The arithmetic of a memory budget: what it has to hold at least, and what it lets happen at once."""

from __future__ import annotations

import pytest

from rightlevel.operations.memory_plan import (
    HASHING_BYTES,
    MEGABYTE,
    OWN_SERVER_BYTES,
    RESTING_BYTES,
    STARTING_BYTES,
    BudgetCannotHold,
    hashing_slots,
    require_budget,
    smallest_budget,
)


def test_the_smallest_budget_holds_the_program_a_sign_in_and_an_own_server() -> None:
    least = smallest_budget(is_private=True)
    assert least >= RESTING_BYTES + HASHING_BYTES + OWN_SERVER_BYTES
    assert least <= 150 * MEGABYTE, "the promise, and the default"
    assert smallest_budget(is_private=False) < least
    require_budget(least, is_private=True)
    with pytest.raises(BudgetCannotHold, match=f"at least --memory {least // MEGABYTE}\\.") as refused:
        require_budget(least - MEGABYTE, is_private=True)
    assert "beside 46 MB of its PostgreSQL" in str(refused.value)
    with pytest.raises(BudgetCannotHold) as elsewhere:
        require_budget(100 * MEGABYTE, is_private=False)
    assert "PostgreSQL" not in str(elsewhere.value)


def test_who_takes_more_at_the_start_needs_more() -> None:
    least = smallest_budget(is_private=True)
    with pytest.raises(BudgetCannotHold):
        require_budget(least, is_private=True, started_bytes=STARTING_BYTES + 10 * MEGABYTE)


def test_two_passwords_are_hashed_at_once_where_there_is_room_for_both() -> None:
    assert [hashing_slots(each * MEGABYTE) for each in (150, 199, 200, 4_000)] == [1, 1, 2, 2]
    both = RESTING_BYTES + 2 * HASHING_BYTES + OWN_SERVER_BYTES
    assert both < 200 * MEGABYTE
