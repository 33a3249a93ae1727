"""The report as text of 80 columns and as JSON: the worst first, each with its reason, its cure and the way back."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

import msgspec

from flatwater.doctor.fix import Deed
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import one_line, printable
from flatwater.doctor.run import Report

WIDTH: Final = 80
MAX_CURES_SHOWN: Final = 4

_LABEL: Final[dict[Severity, str]] = {
    "critical": "CRITICAL",
    "warning": "WARNING",
    "not_examined": "NOT EXAMINED",
    "notice": "NOTICE",
    "ok": "ok",
}
_COLOUR: Final[dict[Severity, str]] = {
    "critical": "31;1",
    "warning": "33;1",
    "not_examined": "35",
    "notice": "36",
    "ok": "32",
}


def as_text(report: Report, *, colour: bool = False, all_ok: bool = False) -> str:
    """The report for a terminal. What is well is told in one line unless all of it is asked for."""
    lines = [*_heading(report), ""]
    for finding in report.findings:
        if finding.severity != "ok" or all_ok:
            lines += [*_finding(finding, colour=colour), ""]
    well = sum(each.severity == "ok" for each in report.findings)
    unseen = sum(each.severity == "not_examined" for each in report.findings)
    lines.append(
        f"{well} findings are well; {unseen} could not be examined; {len(report.acknowledged)} are acknowledged."
    )
    return "\n".join(lines)


def as_json(report: Report, deeds: list[Deed] | None = None) -> str:
    """The report for programs. *Shape*: `findings` as in the model, `exit_code`, `worst`, and `cured` where cures were asked for."""
    found: dict[str, object] = {
        **msgspec.structs.asdict(report),
        "worst": report.worst,
        "exit_code": report.exit_code,
    }
    if deeds is not None:
        found["cured"] = [
            {"key": each.finding.key, "sql": each.cure.sql, "done": each.done, "said": each.said}
            for each in deeds
        ]
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def deed_as_text(deed: Deed) -> str:
    """What one cure did, in two lines."""
    mark = "cured" if deed.done else "not cured"
    return printable(f"{mark}: {one_line(deed.finding.key)}: {one_line(deed.said)}\n    {deed.cure.sql}")


def cure_as_text(finding: Finding, cure: Cure) -> str:
    """A cure as it is asked about."""
    return printable(
        f"{one_line(finding.key)}: {one_line(finding.saw)}\n    {cure.sql}\n    undo: {cure.undo or 'none needed'}"
    )


def _heading(report: Report) -> Iterator[str]:
    version = f"{report.server_version // 10_000}.{report.server_version % 10_000}"
    whose = f", application {report.application}" if report.application else ""
    took_s = sum(report.took_ms.values()) / 1000
    yield one_line(f"{report.database} on PostgreSQL {version}{whose}: {_LABEL[report.worst]}")
    yield f"looked at {report.at:%Y-%m-%d %H:%M:%S %Z} in {took_s:.2f} s with {len(report.took_ms)} checks"


def _finding(finding: Finding, *, colour: bool) -> Iterator[str]:
    label = _LABEL[finding.severity]
    painted = f"\x1b[{_COLOUR[finding.severity]}m{label}\x1b[0m" if colour else label
    yield f"{painted} {one_line(finding.key)}"
    # A line of a finding goes on indented, whoever began it: a name can't write a heading of its own.
    for number, line in enumerate(finding.saw.split("\n")):
        yield from _wrapped(line, "    " if number else "  ")
    if finding.severity in {"ok", "not_examined"}:
        return
    yield from _wrapped(f"Why: {finding.why}", "  ")
    for cure in finding.cures[:MAX_CURES_SHOWN]:
        yield from _cure(cure)
    if len(finding.cures) > MAX_CURES_SHOWN:
        yield f"  and {len(finding.cures) - MAX_CURES_SHOWN} cures more (--json shows all)"


def _cure(cure: Cure) -> Iterator[str]:
    exact = cure.sql or cure.command
    if cure.explanation:
        yield from _wrapped(f"Cure: {cure.explanation}{' (--fix does it)' if cure.is_safe else ''}", "  ")
    if exact:
        # Exact text is not wrapped: it is pasted as it stands.
        yield f"    {one_line(exact)}"
    if cure.undo and exact:
        yield from _wrapped(f"undo: {cure.undo}", "    ")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        printable(text), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False
    )
