"""Replicas: how far behind they are, from the side that is looked at; and commits that wait for one that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import RANK, Cure, Finding
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import graded, well
from flatwater.doctor.sessions import spent

NAME: Final = "replicas_lag"


class _Replica(Struct, frozen=True):
    pid: int
    name: str
    address: str
    state: str
    sync: str
    behind_bytes: int
    behind_s: float


class _Here(Struct, frozen=True):
    behind_s: float
    behind_bytes: int
    is_paused: bool
    is_fed: bool


class _Wanted(Struct, frozen=True):
    names: str
    commit_waits: str
    present: int


class ReplicasLag(Struct, frozen=True):
    """*Source*: 5 s as PgHero has it, an hour as the exporter's alerts have it. By bytes, for a replica that says nothing of time:
    one and five max_wal_size of the default (1 GiB), our own."""

    warning_s: float = 5.0
    critical_s: float = 3_600.0
    warning_bytes: int = 1 << 30
    critical_bytes: int = 5 << 30
    name: str = NAME
    title: str = "Replicas"
    why: str = "Who reads from a replica that is behind reads the past, and its crash of the primary loses what it has not got."

    def look(self, look: Look) -> Iterator[Finding]:
        replicas = look.rows(queries["replicas"], into=_Replica)
        found = [each for each in map(self._replica, replicas) if each is not None]
        if look.is_replica:
            found.extend(self._here(look))
        else:
            found.extend(self._waited_for(look))
        yield from found
        if not found:
            furthest = max((each.behind_bytes for each in replicas), default=0)
            side = "This is a replica that keeps up" if look.is_replica else "This is no replica"
            yield well(
                self,
                f"{side}; {len(replicas)} replicas are connected, the furthest {in_words(furthest)} behind.",
                replicas=len(replicas),
            )

    def _replica(self, replica: _Replica) -> Finding | None:
        by_time = graded(replica.behind_s, warning=self.warning_s, critical=self.critical_s)
        by_bytes = graded(replica.behind_bytes, warning=self.warning_bytes, critical=self.critical_bytes)
        # With nothing left to replay, the last lag that was measured is history.
        severity = by_time if replica.behind_bytes and RANK[by_time] > RANK[by_bytes] else by_bytes
        if severity == "ok":
            return None
        return Finding(
            check=NAME,
            key=f"{NAME}/{replica.name}",
            severity=severity,
            saw=f"Replica {replica.name} ({replica.address}, {replica.state}) is {in_words(replica.behind_bytes)} and {spent(replica.behind_s)} behind.",
            why=self.why,
            cures=(
                Cure(
                    explanation="Look at the replica: its disk, a replay that waits for a long statement there (max_standby_streaming_delay), or a paused replay; run this there too."
                ),
            ),
            numbers={"behind_bytes": replica.behind_bytes, "behind_s": round(replica.behind_s, 1)},
        )

    def _here(self, look: Look) -> Iterator[Finding]:
        here = look.rows(queries["replica_here"], into=_Here)[0]
        if here.is_paused:
            yield Finding(
                check=NAME,
                key=f"{NAME}/paused",
                severity="warning",
                saw=f"This replica's replay is paused; {in_words(here.behind_bytes)} wait.",
                why=self.why,
                cures=(Cure(sql="select pg_wal_replay_resume();", undo="select pg_wal_replay_pause();"),),
                numbers={"behind_bytes": here.behind_bytes},
            )
        elif here.behind_bytes:
            severity = graded(here.behind_s, warning=self.warning_s, critical=self.critical_s)
            if severity != "ok":
                yield Finding(
                    check=NAME,
                    key=f"{NAME}/here",
                    severity=severity,
                    saw=f"This replica is {spent(here.behind_s)} behind; {in_words(here.behind_bytes)} are here and not replayed.",
                    why=self.why,
                    cures=(
                        Cure(
                            explanation="Look for a long statement here that the replay waits for (long_statements), then at the disk."
                        ),
                    ),
                    numbers={"behind_s": round(here.behind_s, 1), "behind_bytes": here.behind_bytes},
                )
        if not here.is_fed:
            yield Finding(
                check=NAME,
                key=f"{NAME}/unfed",
                severity="warning",
                saw="This replica gets nothing from its primary now (0 receivers).",
                why=self.why,
                cures=(
                    Cure(
                        explanation="Fine where it reads the archive only. Else see its log: address, password, or a slot that was dropped."
                    ),
                ),
            )

    def _waited_for(self, look: Look) -> Iterator[Finding]:
        wanted = look.rows(queries["synchronous_wanted"], into=_Wanted)[0]
        if wanted.names and wanted.commit_waits not in {"off", "local"} and wanted.present == 0:
            yield Finding(
                check=NAME,
                key=f"{NAME}/synchronous",
                severity="critical",
                saw=f"Every commit waits for a replica ({wanted.names}) and 0 of them are connected.",
                why="Writes hang until one comes back; each keeps its connection meanwhile.",
                cures=(
                    Cure(
                        sql="alter system set synchronous_standby_names = '';",
                        undo=f"alter system set synchronous_standby_names = '{wanted.names.replace(chr(39), chr(39) * 2)}';",
                        explanation="Lets commits go on without a second copy. Bring the replica back, then undo.",
                    ),
                    Cure(sql="select pg_reload_conf();"),
                ),
            )


CHECK = ReplicasLag()
