"""The queue of LISTEN and NOTIFY: when it is full, every NOTIFY fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.relations import graded, well

NAME: Final = "notification_queue"


class _Queue(Struct, frozen=True):
    used: float
    oldest: str


class NotificationQueue(Struct, frozen=True):
    """*Source*: the server itself warns at a half; nine tenths is our own."""

    warning: float = 0.5
    critical: float = 0.9
    name: str = NAME
    title: str = "Queue of notifications"
    why: str = "A listener that stays in one transaction lets nothing be forgotten; when the queue is full, transactions that notify fail."

    def look(self, look: Look) -> Iterator[Finding]:
        queue = look.rows(queries["notification_queue"], into=_Queue)[0]
        severity = graded(queue.used, warning=self.warning, critical=self.critical)
        saw = f"{queue.used:.2%} of the queue is taken"
        if severity == "ok":
            yield well(self, f"{saw}.", used=round(queue.used, 4))
            return
        yield Finding(
            check=NAME,
            key=f"{NAME}/all",
            severity=severity,
            saw=f"{saw}; the oldest transaction is that of {queue.oldest or 'nobody here'}.",
            why=self.why,
            cures=(
                Cure(
                    explanation="End that session's transaction (see connections for the statement that ends it), and listen on a connection in autocommit."
                ),
            ),
            numbers={"used": round(queue.used, 4)},
        )


CHECK = NotificationQueue()
