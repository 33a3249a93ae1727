"""Lines that can be read on their way: sessions from other machines without encryption."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.relations import well

NAME: Final = "missing_tls"


class _Group(Struct, frozen=True):
    application: str
    role: str
    address: str
    is_encrypted: bool
    sessions: int


class _Settings(Struct, frozen=True):
    is_on: bool
    listens: str
    hidden_or_local: int


class MissingTls(Struct, frozen=True):
    """*Source*: any session from elsewhere, as pg-extras' ssl_used has it for the look's own."""

    near: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    name: str = NAME
    title: str = "Encrypted lines"
    why: str = "Passwords' proofs, names and results can be read and changed by whoever is between."

    def look(self, look: Look) -> Iterator[Finding]:
        settings = look.rows(queries["encryption_settings"], into=_Settings)[0]
        groups = look.rows(queries["open_sessions"], {"near": list(self.near)}, into=_Group)
        bare = [each for each in groups if not each.is_encrypted]
        by_address: dict[str, list[_Group]] = {}
        for each in bare:
            by_address.setdefault(each.address, []).append(each)
        for address, found in by_address.items():
            yield self._finding(address, found, settings)
        listens_far = {each.strip() for each in settings.listens.split(",")} - {
            "",
            "localhost",
            "127.0.0.1",
            "::1",
        }
        if listens_far and not settings.is_on:
            yield Finding(
                check=NAME,
                key=f"{NAME}/off",
                severity="warning",
                saw=f"The server listens on {settings.listens} and offers no encryption (ssl is off).",
                why=self.why,
                cures=self._turn_on(),
            )
        elif not bare:
            if not look.sees_others:
                raise NotExamined(
                    "Where other roles' sessions come from is hidden from this role (pg_read_all_stats shows it)."
                )
            far = sum(each.sessions for each in groups)
            yield well(
                self,
                f"{far} sessions come from other machines, 0 of them readable on their way; ssl is {'on' if settings.is_on else 'off'}.",
                far=far,
            )

    def _finding(self, address: str, groups: list[_Group], settings: _Settings) -> Finding:
        sessions = sum(each.sessions for each in groups)
        names = ", ".join(sorted({each.application or each.role for each in groups})[:5])
        return Finding(
            check=NAME,
            key=f"{NAME}/{address}",
            severity="warning",
            saw=f"{sessions} sessions from {address} ({names}) are not encrypted.",
            why=self.why,
            cures=(
                *(() if settings.is_on else self._turn_on()),
                Cure(
                    explanation="Give the application sslmode=verify-full and the authority's certificate, then let the server insist: hostssl in place of host in its "
                    "entrance file. A private network between two machines of one rack may do; acknowledge it then."
                ),
            ),
            numbers={"sessions": sessions},
        )

    def _turn_on(self) -> tuple[Cure, ...]:
        return (
            Cure(
                sql="alter system set ssl = on;",
                undo="alter system reset ssl;",
                explanation="After its certificate and key (server.crt, server.key, readable for the server's user only) are in its folder.",
            ),
            Cure(sql="select pg_reload_conf();", explanation="Makes the setting hold; no restart is needed."),
        )


CHECK = MissingTls()
