"""Settings against memory: whether what the server may take fits the machine it runs on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.processes import in_words

NAME: Final = "settings_for_memory"


class _Setting(Struct, frozen=True):
    name: str
    amount: float


class SettingsForMemory(Struct, frozen=True):
    """*Source*: PostgreSQL's documentation, "Resource Consumption": 25 per cent of memory for shared_buffers to begin with, over
    40 unlikely to be better; each sort or hash of each session may take work_mem; each worker maintenance_work_mem."""

    buffers_share: float = 0.40
    maintenance_share: float = 0.25
    name: str = NAME
    title: str = "Settings and memory"
    why: str = "A server that may take more than the machine has is ended by the kernel on the day everybody works at once."

    def look(self, look: Look) -> Iterator[Finding]:
        if look.memory_bytes is None:
            raise NotExamined("The server runs on another machine, whose memory can't be seen from here.")
        has = look.memory_bytes
        amounts = {each.name: each.amount for each in look.rows(queries["memory_settings"], into=_Setting)}
        found = [*self._buffers(amounts, has), *self._work(amounts, has), *self._maintenance(amounts, has)]
        yield from found
        if not found:
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"shared_buffers {in_words(amounts['shared_buffers'])}, work_mem {in_words(amounts['work_mem'])} for "
                f"{amounts['max_connections']:.0f} connections, {in_words(has)} on the machine.",
                self.why,
                numbers={"memory_bytes": has},
            )

    def _buffers(self, amounts: dict[str, float], has: int) -> Iterator[Finding]:
        share = amounts["shared_buffers"] / has
        if share <= self.buffers_share:
            return
        severity: Severity = "critical" if share > 0.8 else "warning"
        yield Finding(
            check=NAME,
            key=f"{NAME}/shared_buffers",
            severity=severity,
            saw=f"shared_buffers is {in_words(amounts['shared_buffers'])}, {share:.0%} of the machine's {in_words(has)}.",
            why=self.why,
            cures=(_set("shared_buffers", has * 0.25, restart=True),),
            numbers={"share": round(share, 3)},
        )

    def _work(self, amounts: dict[str, float], has: int) -> Iterator[Finding]:
        each = amounts["work_mem"] * amounts.get("hash_mem_multiplier", 1.0)
        most = each * amounts["max_connections"]
        left = max(has - amounts["shared_buffers"], 1.0)
        if most <= left:
            return
        severity: Severity = "critical" if most > 4 * left else "warning"
        fits = left / 2 / amounts["max_connections"] / amounts.get("hash_mem_multiplier", 1.0)
        yield Finding(
            check=NAME,
            key=f"{NAME}/work_mem",
            severity=severity,
            saw=f"If every one of {amounts['max_connections']:.0f} connections hashes once, they take {in_words(most)}; "
            f"{in_words(left)} are left beside shared_buffers.",
            why=self.why,
            cures=(
                _set("work_mem", fits),
                Cure(explanation="Or lower max_connections to what the pools together can open."),
            ),
            numbers={"most_bytes": most, "left_bytes": left},
        )

    def _maintenance(self, amounts: dict[str, float], has: int) -> Iterator[Finding]:
        each = amounts.get("autovacuum_work_mem", -1)
        # -1 stands for maintenance_work_mem; scaled by its unit it is some other negative number.
        each = amounts["maintenance_work_mem"] if each < 0 else each
        most = each * amounts["autovacuum_max_workers"]
        if most <= self.maintenance_share * has:
            return
        yield Finding(
            check=NAME,
            key=f"{NAME}/maintenance_work_mem",
            severity="warning",
            saw=f"{amounts['autovacuum_max_workers']:.0f} vacuum workers may take {in_words(most)} of {in_words(has)}.",
            why=self.why,
            cures=(
                _set(
                    "autovacuum_work_mem",
                    self.maintenance_share * has / 2 / amounts["autovacuum_max_workers"],
                ),
            ),
            numbers={"most_bytes": most},
        )


def _set(name: str, size_bytes: float, *, restart: bool = False) -> Cure:
    after = "takes a restart" if restart else "then: select pg_reload_conf();"
    return Cure(
        sql=f"alter system set {name} = '{max(int(size_bytes / 1024), 1024)}kB';",
        undo=f"alter system reset {name};",
        explanation=f"As a superuser; {after}",
    )


CHECK = SettingsForMemory()
