"""The pooler in front (PgBouncer): clients that wait in its queue where the server can't see them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import CONNECT_S, Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.relations import graded, well

NAME: Final = "pooler"
WHERE: Final = "FLATWATER_POOLER_DSN"
"""The variable that holds the address of the pooler's console, as in "host=… port=6432 dbname=pgbouncer user=…"."""
MAX_POOLS: Final = 200


class Pool(Struct, frozen=True):
    """One pool of PgBouncer as its console tells it."""

    database: str
    user: str
    cl_active: int
    cl_waiting: int
    sv_active: int
    sv_idle: int
    maxwait: int
    maxwait_us: int = 0
    pool_mode: str = ""

    @property
    def waits_s(self) -> float:
        return self.maxwait + self.maxwait_us / 1_000_000


class Pooler(Struct, frozen=True):
    """*Source*: 5 s, which is as long as flatwater's own pool lets a request wait for a connection; 60 s as check_postgres'
    manual has it for maxwait. *Cost*: a connection of its own, to the pooler and not to the server, while it asks."""

    dsn: str | None = None
    warning_s: float = 5.0
    critical_s: float = 60.0
    name: str = NAME
    title: str = "Pooler"
    why: str = "A request that waits in the pooler's queue is slow, and the server looks idle meanwhile."

    def look(self, look: Look) -> Iterator[Finding]:
        dsn = self.dsn or os.environ.get(WHERE)
        if not dsn:
            raise NotExamined(
                f"No pooler's console was named; where PgBouncer is in front, put its address into {WHERE}."
            )
        found = pools(dsn)
        waiting = [each for each in found if each.cl_waiting]
        for each in waiting:
            yield self._finding(each)
        if not waiting:
            clients = sum(each.cl_active for each in found)
            yield well(
                self,
                f"{len(found)} pools serve {clients} clients; 0 wait.",
                pools=len(found),
                clients=clients,
            )

    def _finding(self, pool: Pool) -> Finding:
        severity = graded(pool.waits_s, notice=0, warning=self.warning_s, critical=self.critical_s)
        return Finding(
            check=NAME,
            key=f"{NAME}/{pool.database}/{pool.user}",
            severity=severity,
            saw=f"{pool.cl_waiting} clients of {pool.user} wait for {pool.database} in the pooler, the first for {pool.waits_s:.1f} s; "
            f"{pool.sv_active} of its connections work, {pool.sv_idle} are idle ({pool.pool_mode} pooling).",
            why=self.why,
            cures=(
                Cure(
                    explanation="First look what holds its connections: idle in transaction (connections), long_statements, blocking. "
                    "Only then make default_pool_size larger, within what the server allows."
                ),
            ),
            numbers={
                "waiting": pool.cl_waiting,
                "waits_s": round(pool.waits_s, 1),
                "working": pool.sv_active,
                "idle": pool.sv_idle,
            },
        )


def pools(dsn: str) -> list[Pool]:
    """What PgBouncer's console says of its pools, at most 200. *Errors*: NotExamined where it does not answer."""
    try:
        # The console speaks the simple protocol only, which psycopg uses where nothing is bound or prepared.
        with psycopg.Connection[dict[str, object]].connect(
            dsn, autocommit=True, connect_timeout=CONNECT_S, prepare_threshold=None, row_factory=dict_row
        ) as connection:
            found = connection.execute(queries["pools"].text).fetchmany(MAX_POOLS)
    except psycopg.Error as error:
        said = str(error).strip().split("\n", 1)[0]
        raise NotExamined(f"The pooler's console did not answer: {said}.") from error
    return [msgspec.convert(row, Pool, strict=False) for row in found]


CHECK = Pooler()
