"""Passwords that are kept as md5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "md5_passwords"


class _Role(Struct, frozen=True):
    role: str
    is_superuser: bool
    passwords: int


class _Looked(Struct, frozen=True):
    passwords: int


class Md5Passwords(Struct, frozen=True):
    """*Source*: the PostgreSQL manual, 20.5 and the notes of PostgreSQL 18 (md5 is deprecated); a superuser's is critical."""

    name: str = NAME
    title: str = "Passwords kept as md5"
    why: str = "What is kept is as good as the password itself to whoever reads it in a backup, and is guessed a thousand times faster."

    def look(self, look: Look) -> Iterator[Finding]:
        if not look.is_superuser:
            raise NotExamined("Only a superuser sees how passwords are kept.")
        found = look.rows(queries["md5_passwords"], into=_Role)
        if not found:
            count = look.rows(queries["passwords_looked_at"], into=_Looked)[0].passwords
            yield well(self, f"{count} passwords looked at; none is kept as md5.", passwords=count)
            return
        names = ", ".join(each.role for each in found[:8]) + (
            f" and {len(found) - 8} more" if len(found) > 8 else ""
        )
        change = "; ".join(f"\\password {identifier(each.role)}" for each in found[:3])
        yield Finding(
            check=NAME,
            key=f"{NAME}/all",
            severity="critical" if any(each.is_superuser for each in found) else "warning",
            saw=f"{len(found)} of {found[0].passwords} passwords are kept as md5: {names}.",
            why=self.why,
            cures=(
                Cure(
                    explanation=f"With password_encryption = scram-sha-256, set each again in psql (the same one will do): {change}."
                ),
            ),
            numbers={"md5": len(found), "passwords": found[0].passwords},
        )


CHECK = Md5Passwords()
