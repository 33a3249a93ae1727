"""What a program sets for its session behind a pooler that gives the session to somebody else after each transaction."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.checks.pooler import WHERE, pools
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "session_settings"
_SETTING: Final = re.compile(
    r"^\s*set\s+(?:session\s+)?([\w.]+)\s*(?:=|to)\s*([^;]+?)\s*;?\s*$", re.IGNORECASE
)
_KEPT_BY_ROLE: Final = frozenset({"search_path", "statement_timeout", "lock_timeout", "work_mem"})


class _Said(Struct, frozen=True):
    statement: str
    calls: int


class SessionSettings(Struct, frozen=True):
    """*Source*: PgBouncer's own table of features: SET, LISTEN, PREPARE and session-level advisory locks never work in transaction pooling."""

    dsn: str | None = None
    name: str = NAME
    title: str = "Session settings behind a pooler"
    why: str = "After the transaction the connection is somebody else's: the setting is theirs now, and the next statement of this program runs without it, in another schema or as another role."

    def look(self, look: Look) -> Iterator[Finding]:
        dsn = self.dsn or os.environ.get(WHERE)
        if not dsn:
            raise NotExamined(
                f"Whether a pooler is in front, and how it pools, is not known here; put the address of PgBouncer's console into {WHERE}."
            )
        shared = [
            each
            for each in pools(dsn)
            if each.database == look.database and each.pool_mode in {"transaction", "statement"}
        ]
        if not shared:
            yield well(
                self, "No pool of this database gives a connection away before its session ends.", pools=0
            )
            return
        query = queries["session_settings_kept" if look.has_pg_stat_statements else "session_settings_seen"]
        said = look.rows(query, into=_Said)
        for each in said:
            yield self._finding(look, each, shared[0].user, shared[0].pool_mode)
        if not said:
            how = (
                "by the statistics of statements"
                if look.has_pg_stat_statements
                else "in the sessions' last statements"
            )
            yield well(self, f"Nothing is set for a session, {how}.", pools=len(shared))

    def _finding(self, look: Look, each: _Said, role: str, mode: str) -> Finding:
        setting = _SETTING.match(each.statement)
        explanation = (
            "Say it for each transaction instead (set local …, or set_config(name, value, true)), and let sessions begin with what is always the same. "
            "LISTEN, PREPARE and advisory locks of a session want a connection of their own, past the pooler."
        )
        cure = Cure(explanation=explanation)
        if setting is not None and setting[1].lower() in _KEPT_BY_ROLE and "$" not in setting[2]:
            whose = f"role {identifier(role)} in database {identifier(look.database)}"
            cure = Cure(
                sql=f"alter {whose} set {setting[1].lower()} = {setting[2]};",
                undo=f"alter {whose} reset {setting[1].lower()};",
                explanation=f"Where it is the same for every session: then take the SET out of the program, and begin the pooler's connections anew (RECONNECT). {explanation}",
            )
        shape = " ".join(each.statement.split())[:120]
        return Finding(
            check=NAME,
            key=f"{NAME}/{shape[:80]}",
            severity="warning",
            saw=f"`{shape}` was said {each.calls} times, and the pooler of {look.database} gives connections away by the {mode}.",
            why=self.why,
            cures=(cure,),
            numbers={"calls": each.calls},
        )


CHECK = SessionSettings()
