"""The server's entrance: lines that let people in without a password, or with one sent in the clear."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.relations import well

NAME: Final = "trust_authentication"
_NEAR: Final = ("127.", "::1", "samehost")


class _Rule(Struct, frozen=True):
    line: int
    kind: str
    databases: str
    roles: str
    address: str
    netmask: str
    method: str
    error: str
    file: str

    @property
    def is_near(self) -> bool:
        """Whether it is for this machine only."""
        return self.kind == "local" or self.address.startswith(_NEAR)


class TrustAuthentication(Struct, frozen=True):
    """*Source*: the PostgreSQL manual, 20.4: trust is for lines nobody else can reach; password sends it readable; md5 is
    deprecated since 18."""

    name: str = NAME
    title: str = "The server's entrance"
    why: str = "Whoever reaches that line is let in under any name it allows, the superuser's too."

    def look(self, look: Look) -> Iterator[Finding]:
        query = queries["entrance_rules"].plus("own_file" if look.version >= 160_000 else "one_file")
        try:
            rules = look.rows(query, into=_Rule)
        except NotExamined as reason:
            raise NotExamined(
                f"{reason} The entrance file is shown to superusers, or after grant select on pg_hba_file_rules and grant "
                "execute on function pg_hba_file_rules()."
            ) from reason
        found = [each for each in map(self._rule, rules) if each is not None]
        yield from found
        if not found:
            yield well(
                self,
                f"{len(rules)} lines of the entrance file looked at; none lets in without proof.",
                lines=len(rules),
            )

    def _rule(self, rule: _Rule) -> Finding | None:
        # Beyond the address, the line's number is no stable name, for lines move; its words are.
        subject = f"{rule.kind} {rule.databases} {rule.roles} {rule.address}".strip()
        numbers: dict[str, float | int | str] = {"line": rule.line}
        if rule.error:
            return Finding(
                check=NAME,
                key=f"{NAME}/broken line {rule.line}",
                severity="warning",
                saw=f"Line {rule.line} of the entrance file can't be read: {rule.error}.",
                why="The server goes on with the old rules, and does not start again with these.",
                cures=(
                    Cure(explanation=f"Mend line {rule.line} of {rule.file}, then select pg_reload_conf();"),
                ),
                numbers=numbers,
            )
        if rule.method not in {"trust", "password", "md5"}:
            return None
        severity: Severity = "notice"
        saw = f"Line {rule.line} ({subject}) lets in by {rule.method}"
        if rule.method == "trust":
            severity = "warning" if rule.is_near else "critical"
            saw = f"{saw}: no password is asked for"
        elif rule.method == "password":
            severity = "notice" if rule.is_near or rule.kind == "hostssl" else "warning"
            saw = f"{saw}: the password is sent readable"
        else:
            saw = f"{saw}, which is deprecated since PostgreSQL 18"
        return Finding(
            check=NAME,
            key=f"{NAME}/{subject} {rule.method}",
            severity=severity,
            saw=f"{saw}.",
            why=self.why,
            cures=(_cure(rule),),
            numbers=numbers,
        )


def _cure(rule: _Rule) -> Cure:
    method = "peer" if rule.kind == "local" and rule.method == "trust" else "scram-sha-256"
    file = shlex.quote(rule.file)
    return Cure(
        command=f"sed -i '{rule.line}s/\\b{rule.method}\\b/{method}/' {file}",
        undo=f"sed -i '{rule.line}s/\\b{method}\\b/{rule.method}/' {file}",
        explanation=f"On the server's machine, then select pg_reload_conf();. First see that each role there can answer {method} (a password that was "
        "set under password_encryption = 'scram-sha-256', or the same name in the system), and keep one session open while you try.",
    )


CHECK = TrustAuthentication()
