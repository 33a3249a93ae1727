"""Time-outs: which roles begin their sessions without an end to statements, waits for locks and forgotten transactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.quoting import identifier

NAME: Final = "timeouts_unset"
WANTED: Final = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "5s",
}
"""*Source*: the guard's third item: statement 30 s, idle in transaction 30 s, lock 5 s, set on the server."""


class _Begins(Struct, frozen=True):
    role: str
    database: str
    applications: str
    sessions: int
    setting: str
    value: str


class TimeoutsUnset(Struct, frozen=True):
    name: str = NAME
    title: str = "Time-outs"
    why: str = "Without them one forgotten transaction or one bad statement holds its connection, and those behind it, for ever."

    def look(self, look: Look) -> Iterator[Finding]:
        query = queries["timeouts_of_roles"]
        if look.application is not None:
            query = query.plus("one_application")
        if look.is_superuser:
            query = query.plus("from_files")
        begins = look.rows(query, {"application": look.application}, into=_Begins)
        if not begins:
            raise NotExamined(
                f"No session of {look.application or 'a client'} is open, so no role is known to look at."
            )
        unset: dict[tuple[str, str], list[_Begins]] = {}
        for each in begins:
            if each.value in {"0", "0s", "0ms"}:
                unset.setdefault((each.role, each.database), []).append(each)
        for (role, database), settings in unset.items():
            yield self._finding(look, role, database, settings)
        if not unset:
            roles = len({(each.role, each.database) for each in begins})
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"{roles} roles with sessions begin them with all three time-outs.",
                self.why,
                numbers={"roles": roles},
            )

    def _finding(self, look: Look, role: str, database: str, settings: list[_Begins]) -> Finding:
        unseen = (
            ""
            if look.is_superuser
            else " (unless the server's own file sets them, which only a superuser may see)"
        )
        missing = [each.setting for each in settings]
        whose = f"role {identifier(role)} in database {identifier(database)}"
        cures = tuple(
            Cure(
                sql=f"alter {whose} set {setting} = '{WANTED[setting]}';",
                undo=f"alter {whose} reset {setting};",
                # It changes the role for every program that uses it, so it wants a person's yes.
                explanation="For sessions that begin after it.",
            )
            for setting in missing
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{role}/{database}",
            severity="notice",
            saw=f"{role} in {database} ({settings[0].sessions} sessions of {settings[0].applications or 'nameless programs'}) begins "
            f"without {', '.join(missing)}{unseen}. An application may set them itself as flatwater's pool does; that can't be seen from here.",
            why=self.why,
            cures=cures,
            numbers={"unset": len(missing), "sessions": settings[0].sessions},
        )


CHECK = TimeoutsUnset()
