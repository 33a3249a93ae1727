"""Memory of the application's own processes, found by the connections that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.processes import ProcessMemory, in_words, memory_of, name_of, owners_of_ports, pid_in
from flatwater.doctor.sessions import Session, all_sessions

NAME: Final = "application_memory"
MIB: Final = 1 << 20


class ApplicationMemory(Struct, frozen=True):
    """*Source*: the guard's service level for memory: under 500 MB, warning over 1 GB, critical over 2 GB."""

    target_bytes: int = 500 * MIB
    warning_bytes: int = 1024 * MIB
    critical_bytes: int = 2048 * MIB
    name: str = NAME
    title: str = "Memory of the application"
    why: str = "Connections tell which processes are the application's; what they hold is half of the memory that must stay flat."

    def look(self, look: Look) -> Iterator[Finding]:
        if look.application is None:
            raise NotExamined(
                "No application was named (--application), so nobody's processes were looked for."
            )
        told = look.own_numbers()
        named = told.process_ids if told is not None else ()
        if not look.is_local and not named:
            raise NotExamined(
                "The connections come to another machine; look there for the application's memory."
            )
        sessions = [each for each in all_sessions(look) if each.application == look.application]
        by_process = self._by_process(sessions) if look.is_local else {}
        for pid in named:
            # One that told of itself holds those whose process is not known: they come by socket.
            by_process.setdefault(pid, (len(sessions) - sum(by_process.values())) if len(named) == 1 else 0)
        if not by_process:
            raise NotExamined(
                f"None of {len(sessions)} connections of {look.application} tells its process: they come by socket, or from "
                f"another machine; write pid=… into application_name."
            )
        held = {pid: memory for pid in by_process if (memory := memory_of(pid)) is not None}
        if not held:
            raise NotExamined(
                f"This user may not read the memory of {look.application}'s processes; run it as theirs."
            )
        yield self._finding(look, by_process, held)

    def _by_process(self, sessions: list[Session]) -> dict[int, int]:
        ports = frozenset(each.client_port for each in sessions if each.client_port > 0)
        owners = owners_of_ports(ports) if ports else {}
        found: dict[int, int] = {}
        for each in sessions:
            pid = owners.get(each.client_port) or pid_in(each.application_name)
            if pid is not None:
                found[pid] = found.get(pid, 0) + 1
        return found

    def _finding(self, look: Look, by_process: dict[int, int], held: dict[int, ProcessMemory]) -> Finding:
        total = sum(memory.pss_bytes for memory in held.values())
        look.remember("trend/application_pss_bytes", total)
        severity: Severity = "ok"
        if total >= self.critical_bytes:
            severity = "critical"
        elif total >= self.warning_bytes:
            severity = "warning"
        elif total >= self.target_bytes:
            severity = "notice"
        largest = sorted(held, key=lambda pid: -held[pid].pss_bytes)[:5]
        each = "; ".join(
            f"pid {pid} {in_words(held[pid].pss_bytes)} with {by_process[pid]} connections ({name_of(pid)})"
            for pid in largest
        )
        cure = Cure(
            explanation="Let the process drain and start it anew, one at a time; then find what grows (flatwater audit)."
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{look.application}",
            severity=severity,
            saw=f"{len(held)} processes of {look.application} take {in_words(total)} (PSS): {each}.",
            why=self.why,
            cures=(cure,) if severity != "ok" else (),
            numbers={"pss_bytes": total, "processes": len(held)},
        )


CHECK = ApplicationMemory()
