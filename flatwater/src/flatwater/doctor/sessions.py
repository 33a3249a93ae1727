"""The sessions a look saw, and the cures that end one of them and no other."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import Seen, identifier, on_session

NO_UNDO: Final = "none; the application opens a new connection when it needs one"
FORGOTTEN_S: Final = 30.0
OVERLONG_S: Final = 30.0
"""*Source*: the guard: where flatwater's own pool ends such a session or statement. Told of much earlier; ended without thought only then."""
ROLLED_BACK_WHOLE: Final = frozenset(
    {"select", "with", "insert", "update", "delete", "merge", "values", "table"}
)
MAX_CURES: Final = 20
"""Cures in one finding; a look that comes after the first twenty offers the next ones."""


class Session(Struct, frozen=True):
    """One client's session as the server tells it. A state of "hidden" is another role's, seen without pg_read_all_stats."""

    pid: int
    started: str
    application_name: str
    role: str
    database: str
    state: str
    client_address: str
    client_port: int
    age_s: float
    in_state_s: float
    in_transaction_s: float
    statement_s: float
    waits_for_kind: str
    waits_for: str
    is_superuser: bool
    statement: str
    state_changed: str

    @property
    def seen(self) -> Seen:
        """What a cure rests on."""
        return Seen(
            self.pid,
            self.started,
            self.application_name,
            self.role,
            self.state,
            state_changed=self.state_changed,
        )

    @property
    def application(self) -> str:
        """The application without its route."""
        return self.application_name.split("/", 1)[0]

    @property
    def route(self) -> str:
        """The route it works for, or nothing: flatwater names its sessions "application/route" while one runs."""
        return route_of(self.application_name)


def route_of(application_name: str) -> str:
    """The route in an application_name, or nothing."""
    return application_name.partition("/")[2]


def all_sessions(look: Look) -> list[Session]:
    """The clients' sessions, at most 200, those longest in their state first. *Errors*: NotExamined."""
    return look.rows(queries["sessions"], into=Session)


def hidden(look: Look, check: str, sessions: list[Session]) -> list[Finding]:
    """A finding for sessions whose state this role may not see, if there are any: they were not looked at."""
    unseen = [each for each in sessions if each.state == "hidden"]
    if not unseen:
        return []
    role = identifier(look.role)
    return [
        Finding(
            check=check,
            key=f"{check}/hidden",
            severity="not_examined",
            saw=f"{len(unseen)} sessions of other roles do not show their state to this role.",
            why="What can't be seen can't be called healthy.",
            cures=(
                Cure(
                    sql=f"grant pg_read_all_stats to {role};",
                    undo=f"revoke pg_read_all_stats from {role};",
                    explanation="As a superuser.",
                ),
            ),
            numbers={"sessions": len(unseen)},
        )
    ]


def terminate(look: Look, session: Session, *, is_safe: bool) -> Cure:
    """Ends this session only if it is still the one that was seen and has not moved since.

    `is_safe` where ending it harms nobody; it is done without thought only for the application's own.
    """
    return _end("pg_terminate_backend", look, session, is_safe=is_safe)


def cancel(look: Look, session: Session, *, is_safe: bool) -> Cure:
    """Cancels the statement of this session only if it is still the very one that was seen."""
    return _end("pg_cancel_backend", look, session, is_safe=is_safe)


def is_forgotten(session: Session) -> bool:
    """Whether a session waits in its transaction for longer than a request lasts, so that ending it breaks no request of a healthy service."""
    return session.state.startswith("idle in transaction") and session.in_state_s >= FORGOTTEN_S


def is_cancelled_without_harm(session: Session) -> bool:
    """Whether the statement runs for longer than any of a service's own should, and leaves nothing half done when it is cancelled:
    an index that was being built concurrently would stay behind, invalid."""
    first = (session.statement.split(None, 1) or [""])[0].lower().lstrip("(")
    return session.state == "active" and session.statement_s >= OVERLONG_S and first in ROLLED_BACK_WHOLE


def _end(deed: str, look: Look, session: Session, *, is_safe: bool) -> Cure:
    mine = is_safe and look.belongs_to_application(session.application_name)
    verb = "Ends the session" if deed == "pg_terminate_backend" else "Cancels the statement"
    return Cure(
        sql=on_session(deed, session.seen),
        undo=NO_UNDO if deed == "pg_terminate_backend" else "none; the statement was rolled back",
        is_safe=mine,
        checks_itself=True,
        explanation=f"{verb} of {who(session)} if it is still {session.state} and has done nothing since.",
    )


def who(session: Session) -> str:
    """A session in words: its application with route, or its role, and its pid."""
    return f"{session.application_name or f'a nameless session of {session.role}'} (pid {session.pid})"


def spent(seconds: float) -> str:
    """A time in words, in the unit that says it best."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} d"
