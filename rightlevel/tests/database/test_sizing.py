"""How a budget is shared out between a private server's parts."""

from __future__ import annotations

import pytest

from rightlevel.database.sizing import (
    MEGABYTE,
    MOST_PREPARED,
    backend_bytes,
    prepared_statements,
    server_settings,
)


def test_each_part_grows_with_the_budget_and_none_beyond_its_use() -> None:
    small, large = (server_settings(each * MEGABYTE, "/run") for each in (150, 8_000))
    assert (small["shared_buffers"], small["work_mem"], small["autovacuum_work_mem"]) == (
        "15MB",
        "3MB",
        "3MB",
    )
    assert (large["shared_buffers"], large["work_mem"]) == ("800MB", "64MB")
    assert [backend_bytes(each * MEGABYTE) for each in (150, 8_000)] == [7_500_000, 400_000_000]
    assert [prepared_statements(each * MEGABYTE) for each in (150, 300, 8_000)] == [25, 50, MOST_PREPARED]


def test_a_budget_that_no_server_fits_in_is_refused() -> None:
    with pytest.raises(ValueError, match="100 MB"):
        server_settings(99 * MEGABYTE, "/run")
