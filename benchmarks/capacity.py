"""What a child and a result take on the disk, with everything that is kept because of them, and what is written ahead of a result: for planning sizes.

A child is a generated one with its seat, history, codes, search keys and indexes; a result is sent by a device, so its audit row and receipt count
too. Sizes are the whole database's, before and after; what is written ahead (WAL) is what a standby and an archive receive.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks import write
from benchmarks.work import Figure, fresh, run, service, tokens_for
from rightlevel.database.server import PrivateServer

SCHOOLS = 400
CHILDREN = 50_000
DEVICES = 16
TAPS_EACH = 500
CLASSES_EACH = 12
TINY = {"SCHOOLS": 10, "CHILDREN": 1_250, "DEVICES": 2, "TAPS_EACH": 4, "CLASSES_EACH": 1}


class Sizes(msgspec.Struct, frozen=True):
    """The bytes of a database, and how many were ever written ahead."""

    kept: int
    written_ahead: int

    def for_each_since(self, before: Sizes, count: int) -> Sizes:
        """For each of so many."""
        return Sizes((self.kept - before.kept) // count, (self.written_ahead - before.written_ahead) // count)


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: two minutes."""
    without = fresh("capacity-empty")
    run("person", "add", "--role", "admin", "--username", "capacity", "--data", str(without))
    empty = _at_rest(without)
    folder = fresh("capacity")
    say(f"{CHILDREN:,} children in {SCHOOLS:,} schools")
    size = ("--schools", str(SCHOOLS), "--children", str(CHILDREN))
    run("generate", *size, "--seed", "3", "--data", str(folder))
    child = _at_rest(folder).for_each_since(empty, CHILDREN)
    tokens = tokens_for(folder, "coordinator", DEVICES)
    with service(folder) as running:
        children = write.Children(folder)
        with psycopg.connect(children.conninfo, autocommit=True) as connection:
            before = _sizes(connection)
            write.send_singles(running, tokens, children, TAPS_EACH)
            taps = _sizes(connection)
            write.send_batches(running, tokens, children, CLASSES_EACH)
            classes = _sizes(connection)
    tap = taps.for_each_since(before, DEVICES * TAPS_EACH)
    marked = classes.for_each_since(taps, DEVICES * CLASSES_EACH * write.CLASS)
    return [
        Figure("a child, on the disk", child.kept, "bytes", floor=f"an empty database: {empty.kept:,} bytes"),
        _figure("a result by a tap, with its audit row and receipt", tap),
        _figure("a result in a class's batch, likewise", marked),
    ]


def _figure(name: str, each: Sizes) -> Figure:
    return Figure(
        f"{name}, on the disk", each.kept, "bytes", floor=f"written ahead: {each.written_ahead:,} bytes"
    )


def _at_rest(folder: Path) -> Sizes:
    """The database of a folder that nobody serves, without what deletions and updates left behind."""
    server = PrivateServer(folder, 150_000_000)
    try:
        with psycopg.connect(server.start(), autocommit=True) as connection:
            connection.execute("vacuum")
            return _sizes(connection)
    finally:
        server.stop()


def _sizes(connection: psycopg.Connection[Any]) -> Sizes:
    row = connection.execute(
        "select pg_database_size(current_database()), pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
    ).fetchone()
    assert row is not None
    return Sizes(*row)
