"""Superusers at work: applications that are connected as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "superuser_use"


class _Group(Struct, frozen=True):
    application: str
    role: str
    is_first: bool
    sessions: int
    superusers: int


class _Sessions(Struct, frozen=True):
    sessions: int
    of_application: int


class SuperuserUse(Struct, frozen=True):
    """*Source*: any of the named application (a warning), any other (worth knowing), as pgwatch's recommendations have it."""

    name: str = NAME
    title: str = "Superusers at work"
    why: str = "A fault in the application is then a fault with every right: over all databases, the server's files and its limits."

    def look(self, look: Look) -> Iterator[Finding]:
        groups = look.rows(queries["superuser_sessions"], into=_Group)
        for each in groups:
            yield self._finding(look, each)
        if not groups:
            seen = look.rows(queries["sessions_by_right"], {"application": look.application}, into=_Sessions)[
                0
            ]
            yield well(
                self, f"{seen.sessions} sessions looked at; none is a superuser's.", sessions=seen.sessions
            )

    def _finding(self, look: Look, group: _Group) -> Finding:
        is_mine = look.application is not None and group.application == look.application
        severity: Severity = "warning" if is_mine else "notice"
        who = group.application or "a nameless program"
        own = Cure(
            sql=f"create role {identifier(f'{group.application or group.role}_app')} login;",
            undo=f"drop role {identifier(f'{group.application or group.role}_app')};",
            explanation="A role of its own: set its password with \\password, grant it what it reads and writes by name, and give its name to the application.",
        )
        lower = Cure(
            sql=f"alter role {identifier(group.role)} nosuperuser;",
            undo=f"alter role {identifier(group.role)} superuser;",
            explanation="Holds for sessions that begin after it. First see that it owns, or was granted, what it uses.",
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{who}/{group.role}",
            severity=severity,
            saw=f"{who} is connected {group.sessions} times as superuser {group.role}; {group.superusers} roles that may log in are superusers.",
            why=self.why,
            cures=(own,) if group.is_first else (lower, own),
            numbers={"sessions": group.sessions, "superusers": group.superusers},
        )


CHECK = SuperuserUse()
