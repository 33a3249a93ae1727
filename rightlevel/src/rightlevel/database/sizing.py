"""How a private server shares out a memory budget."""

from __future__ import annotations

MEGABYTE = 1_000_000
SMALLEST_BUDGET = 100 * MEGABYTE
SMALLEST_SHARED_MB = 14
MOST_PREPARED = 64
PREPARED_SHARE = 6 * MEGABYTE
"""So much of the budget for each prepared statement of a connection: 25 at 150 MB, all at 400."""

BACKEND_SHARE = 20
"""Of so many parts of the budget one is what a connection's process may have of its own."""


def prepared_statements(memory_bytes: int) -> int:
    """How many statements each connection to a private server keeps prepared: their plans are the largest part of what a connection has of its own.

    *Source*: with 64 of them a connection that had opened everything had 15 MB, 5.5 of them plans (benchmarks/README.md, "each connection").
    """
    return min(MOST_PREPARED, memory_bytes // PREPARED_SHARE)


def backend_bytes(memory_bytes: int) -> int:
    """How much of its own a connection's process on a private server may have before a fresh one takes its place: 7.5 MB at 150 MB.

    *Source*: a fresh one has 2 MB, one that does a day's mixture 7, one that opened every page 14 (benchmarks/README.md, "each connection").
    """
    return memory_bytes // BACKEND_SHARE


def server_settings(memory_bytes: int, socket_folder: str) -> dict[str, str]:
    """The settings of a private server whose whole system, program included, may take `memory_bytes`.

    *Source*: measured with a million children (benchmarks/README.md, "where each megabyte goes"). What the shared buffers don't hold the system's own
    cache serves.
    *Errors*: ValueError under 100 MB.
    """
    if memory_bytes < SMALLEST_BUDGET:
        raise ValueError(f"The memory budget must be at least {SMALLEST_BUDGET // MEGABYTE} MB.")
    shared_mb = min(max(SMALLEST_SHARED_MB, memory_bytes // 10 // MEGABYTE), 8_192)
    work_mb = min(max(2, memory_bytes * 2 // 100 // MEGABYTE), 64)
    return {
        "listen_addresses": "",
        "unix_socket_directories": socket_folder,
        "unix_socket_permissions": "0700",
        "max_connections": "14",
        "superuser_reserved_connections": "2",
        "shared_buffers": f"{shared_mb}MB",
        "work_mem": f"{work_mb}MB",
        "maintenance_work_mem": f"{max(8, work_mb * 4)}MB",
        "autovacuum_work_mem": f"{max(2, work_mb)}MB",
        "temp_buffers": "2MB",
        "hash_mem_multiplier": "1.5",
        "effective_cache_size": f"{shared_mb * 12}MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_replication_slots": "0",
        "max_wal_size": "512MB",
        "min_wal_size": "64MB",
        # One process does everything a small server needs: parallel plans and I/O workers cost memory by the process.
        "io_method": "sync",
        "max_worker_processes": "2",
        "max_parallel_workers_per_gather": "0",
        "max_parallel_maintenance_workers": "0",
        "max_logical_replication_workers": "0",
        "autovacuum_max_workers": "1",
        # One works at a time; the second place is for the next while the last is still being buried. With one place the next is refused,
        # and asked for again each second, with a line in the log each time.
        "autovacuum_worker_slots": "2",
        "autovacuum_naptime": "20s",
        "jit": "off",
        "deadlock_timeout": "200ms",
        "random_page_cost": "1.1",
        "huge_pages": "off",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_min_messages": "warning",
        "log_min_duration_statement": "-1",
        "log_checkpoints": "off",
        # A line in a bounded log for each wait that is long enough to be looked into.
        "log_lock_waits": "on",
    }
