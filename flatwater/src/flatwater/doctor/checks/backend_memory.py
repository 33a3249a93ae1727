"""Memory of each of the server's processes: PSS where they run on this machine, else what our own session tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.processes import ProcessMemory, in_words, memory_of
from flatwater.doctor.quoting import Seen, on_session
from flatwater.doctor.sessions import NO_UNDO, spent

NAME: Final = "backend_memory"
MIB: Final = 1 << 20


class _Process(Struct, frozen=True):
    pid: int
    kind: str
    application_name: str
    role: str
    started: str
    state: str
    state_changed: str
    age_s: float


class _Context(Struct, frozen=True):
    name: str
    size_bytes: int


class BackendMemory(Struct, frozen=True):
    """*Source*: the guard's 500 MB, 1 GB and 2 GB for application and database together, and a fifth of each (five
    connections are an application's target) for one process's own."""

    own_warning_bytes: int = 200 * MIB
    own_critical_bytes: int = 400 * MIB
    all_warning_bytes: int = 1024 * MIB
    all_critical_bytes: int = 2048 * MIB
    name: str = NAME
    title: str = "Memory of the server's processes"
    why: str = (
        "A session's memory only grows: plans, catalog entries and freed pieces stay with it until it ends."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        if not look.is_local:
            yield from self._own_session(look)
            raise NotExamined(
                "The server's processes are not on this machine; sign in there and look again for each one's memory."
            )
        processes = look.rows(queries["server_processes"], into=_Process)
        held = [(each, memory) for each in processes if (memory := memory_of(each.pid)) is not None]
        if not held:
            raise NotExamined(
                "This user may not read the memory of the server's processes; run it as theirs."
            )
        yield self._all(look, held, len(processes))
        yield from self._each(look, held)

    def _all(self, look: Look, held: list[tuple[_Process, ProcessMemory]], processes: int) -> Finding:
        total = sum(memory.pss_bytes for _, memory in held)
        look.remember("trend/server_pss_bytes", total)
        severity: Severity = "ok"
        if total >= self.all_critical_bytes:
            severity = "critical"
        elif total >= self.all_warning_bytes:
            severity = "warning"
        largest, memory = max(held, key=lambda pair: pair[1].own_bytes)
        unseen = f" {processes - len(held)} could not be read." if processes > len(held) else ""
        return Finding(
            NAME,
            f"{NAME}/all",
            severity,
            f"{len(held)} processes take {in_words(total)} (PSS); the most of its own has "
            f"{largest.application_name or largest.kind} (pid {largest.pid}): {in_words(memory.own_bytes)}.{unseen}",
            self.why,
            numbers={"pss_bytes": total, "processes": len(held)},
        )

    def _each(self, look: Look, held: list[tuple[_Process, ProcessMemory]]) -> Iterator[Finding]:
        for process, memory in held:
            if process.kind != "client backend" or memory.own_bytes < self.own_warning_bytes:
                continue
            severity: Severity = "critical" if memory.own_bytes >= self.own_critical_bytes else "warning"
            seen = Seen(
                process.pid,
                process.started,
                process.application_name,
                process.role,
                "idle",
                state_changed=process.state_changed,
            )
            end = Cure(
                sql=on_session("pg_terminate_backend", seen),
                undo=NO_UNDO,
                # No statement can ask again what it holds, and a pool that does not test its connections answers its next
                # request with an error: whoever ends it has seen that.
                explanation="Ends it if it is still idle; a pool opens a small one. Give the pool a longest life for good.",
            )
            tell = Cure(
                explanation="To see what it holds: pg_log_backend_memory_contexts of its pid writes it to the server's log, from PostgreSQL 14.",
            )
            name = process.application_name or process.role
            yield Finding(
                check=NAME,
                key=f"{NAME}/{name}",
                severity=severity,
                saw=f"{name} (pid {process.pid}, {spent(process.age_s)} old) holds {in_words(memory.own_bytes)} of its own.",
                why=self.why,
                cures=(end, tell),
                numbers={"own_bytes": memory.own_bytes, "pss_bytes": memory.pss_bytes},
            )

    def _own_session(self, look: Look) -> Iterator[Finding]:
        if look.version < 140_000:
            raise NotExamined(
                "The server's processes are not on this machine, and PostgreSQL 13 does not tell their memory."
            )
        contexts = look.rows(queries["own_memory"], into=_Context)
        total = sum(each.size_bytes for each in contexts)
        largest = ", ".join(f"{each.name} {in_words(each.size_bytes)}" for each in contexts[:3])
        yield Finding(
            NAME,
            f"{NAME}/own",
            "ok",
            f"A new session takes {in_words(total)} at the server: {largest}.",
            self.why,
            numbers={"size_bytes": total},
        )


CHECK = BackendMemory()
