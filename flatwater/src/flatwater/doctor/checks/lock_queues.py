"""Lock queues: a change to a table's shape that waits makes everybody behind it wait too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import Seen, literal, on_session, statement_shape
from flatwater.doctor.sessions import spent

NAME: Final = "lock_queues"


class _Queue(Struct, frozen=True):
    subject: str
    mode: str
    pid: int
    started: str
    application_name: str
    state: str
    statement: str
    role: str
    state_changed: str
    waited_s: float
    behind: int


class LockQueues(Struct, frozen=True):
    """*Source*: 4 s is the lock time-out of flatwater's own migrations, so a well-behaved one has given up by then."""

    critical_s: float = 4.0
    name: str = NAME
    title: str = "Lock queues"
    why: str = "Locks are given in order: while a strong one waits, even reads that would not collide with who holds the table wait."

    def look(self, look: Look) -> Iterator[Finding]:
        queues = look.rows(queries["queues_behind_strong_locks"], into=_Queue)
        for queue in queues:
            yield self._finding(look, queue)
        if not queues:
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"No change to a table of {look.database} waits for its lock.",
                self.why,
            )

    def _finding(self, look: Look, queue: _Queue) -> Finding:
        severity: Severity = "warning"
        if queue.behind and queue.waited_s >= self.critical_s:
            severity = "critical"
        seen = Seen(
            queue.pid,
            queue.started,
            queue.application_name,
            queue.role,
            queue.state,
            state_changed=queue.state_changed,
        )
        still_waits = (
            f"exists (select 1 from pg_locks l join pg_locks q on q.relation = l.relation and q.database = l.database "  # noqa: S608  a text to show
            f"where l.pid = a.pid and not l.granted and l.relation = to_regclass({literal(queue.subject)}) "
            "and not q.granted and q.pid <> l.pid)"
        )
        cancel = Cure(
            sql=on_session("pg_cancel_backend", seen, *([still_waits] if queue.behind else [])),
            undo=f"run it again: {statement_shape(queue.statement)}",
            is_safe=severity == "critical" and look.belongs_to_application(queue.application_name),
            checks_itself=True,
            explanation="Cancels the change, and everybody behind it goes on at once.",
        )
        again = Cure(
            explanation="For the next time: set lock_timeout = '4s' in the session before the change, so that it gives up by itself and is tried again later.",
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{queue.subject}",
            severity=severity,
            saw=f"{queue.application_name or 'A nameless session'} (pid {queue.pid}) waits for {queue.mode} on {queue.subject} "
            f"for {spent(queue.waited_s)} with {queue.behind} behind it: {statement_shape(queue.statement)}",
            why=self.why,
            cures=(cancel, again),
            numbers={"behind": queue.behind, "waited_s": round(queue.waited_s, 1), "pid": queue.pid},
        )


CHECK = LockQueues()
