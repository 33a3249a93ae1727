"""What a private server can't do is not advised there, whichever check would have said so."""

from __future__ import annotations

import re
from pathlib import Path

from flatwater.doctor import checks
from flatwater.doctor.checks.risky_settings import RISKS, RiskySettings
from flatwater.doctor.model import Cure, Finding
from rightlevel.operations.private_server_advice import RELEASE, SETTINGS, as_can_be_done


def adapted(*cures: Cure) -> tuple[Cure, ...]:
    return as_can_be_done([Finding("c", "c/k", "warning", "saw", "why", cures)])[0].cures


def test_what_changes_the_servers_settings_becomes_its_budget_once() -> None:
    change = Cure(sql="alter system set work_mem = '4MB';", undo="alter system reset work_mem;")
    reload = Cure(sql="select pg_reload_conf();", explanation="Makes the setting hold; no restart is needed.")
    other = Cure(sql='vacuum (analyze) "public"."result";', is_safe=True)
    assert adapted(change, reload, other) == (SETTINGS, other)


def test_a_newer_release_comes_in_the_package() -> None:
    assert adapted(
        Cure(
            explanation="Install the newest 18 from where this one came from and restart; files stay as they are."
        )
    ) == (RELEASE,)


def test_every_alter_system_in_the_doctors_checks_is_caught() -> None:
    """Read from the checks themselves, so that a new one can't slip by."""
    texts = [path.read_text("utf-8") for path in sorted(Path(checks.__file__).parent.glob("*.py"))]
    statements = [
        found
        for text in texts
        for found in re.findall(
            r'sql=f?"((?:alter system|select pg_reload_conf|create extension)[^"]*)"', text
        )
    ]
    assert len(statements) >= 8
    for each in statements:
        assert adapted(Cure(sql=each)) == (SETTINGS,), each
    assert RiskySettings().name == "risky_settings"
    assert RISKS


def test_what_is_well_stays_as_it_is() -> None:
    finding = Finding("c", "c/k", "ok", "saw", "why")
    assert as_can_be_done([finding]) == (finding,)
