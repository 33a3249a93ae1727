"""An audit's report for people at a terminal and for programs; pages and SARIF have files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from flatwater.audit.model import Endpoint, Finding, Priority, Report

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLOUR: Final[dict[Priority, str]] = {"P1": "bold red", "P2": "yellow", "P3": "cyan"}
_VERDICT: Final = {"grows": "bold red", "cannot_tell": "magenta", "not_examined": "magenta", "flat": "green"}
_SAID: Final = frozenset({"flat", "grows", "shrinks"})
MAX_SHOWN: Final = 200
"""Findings shown at a terminal; the other forms tell all."""


def as_json(report: Report) -> str:
    """The report for programs. *Shape*: the model's fields, and `worst` and `exit_code`."""
    told = {
        **msgspec.structs.asdict(report),
        "worst": report.worst,
        "exit_code": report.exit_code,
        "examined": round(report.examined, 4),
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def summary(report: Report) -> str:
    """The report in one sentence."""
    counts = {
        priority: sum(each.priority == priority for each in report.findings)
        for priority in ("P1", "P2", "P3")
    }
    told = ", ".join(f"{count} {priority}" for priority, count in counts.items())
    clean = sum(each.state == "clean" for each in report.verdicts)
    unseen = sum(each.state == "not_examined" for each in report.verdicts) + len(report.unseen)
    driven = (
        f", {sum(each.verdict in _SAID for each in report.endpoints)} of {len(report.endpoints)} driven to a verdict"
        if report.endpoints
        else ""
    )
    return (
        f"{report.subject}: {told} in {report.files} files with {report.rules} rules; {clean} of {len(report.verdicts)}"
        f" routes clean{driven}; {len(report.ignored)} ignored with a reason; {unseen} not examined: {report.examined:.0%} was."
    )


def as_table(report: Report) -> Iterator[RenderableType]:
    """What a rich console prints: the findings, then what was not examined, then the sentence.

    *Cost*: imports rich, so only here.
    """
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    if report.findings:
        table = Table(show_lines=False, expand=True)
        table.add_column("", width=2, no_wrap=True)
        table.add_column("rule and where", overflow="fold", ratio=4)
        table.add_column("what was seen, and what to do", overflow="fold", ratio=6)
        for each in report.findings[:MAX_SHOWN]:
            table.add_row(
                Text(each.priority, style=_COLOUR[each.priority]),
                f"[bold]{each.rule}[/]\n{escape(_place(each))}",
                escape(f"{each.saw}\n→ {each.change}"),
            )
        yield table
    if report.endpoints:
        yield _driven(report.endpoints[:MAX_SHOWN])
    if len(report.findings) > MAX_SHOWN:
        yield Text(f"and {len(report.findings) - MAX_SHOWN} more; --format json tells all")
    for each in report.unseen[:MAX_SHOWN]:
        yield Text(f"not examined: {each.what}: {each.why}", style="magenta")
    for verdict in (each for each in report.verdicts[:MAX_SHOWN] if each.state == "not_examined"):
        yield Text(f"not examined: {verdict.route}: {verdict.reason}", style="magenta")
    yield Text(summary(report))


def _driven(endpoints: tuple[Endpoint, ...]) -> RenderableType:
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Driven: what one request takes and leaves behind", expand=True)
    table.add_column("route", overflow="fold", ratio=3)
    table.add_column("memory", no_wrap=True)
    for heading in ("things kept, 95 %", "statements", "rows", "connection ms", "peak kB"):
        table.add_column(heading, justify="right")
    for each in endpoints:
        table.add_row(
            escape(each.route),
            Text(each.verdict.replace("_", " "), style=_VERDICT.get(each.verdict, "")),
            interval(each),
            *costs(each),
        )
    return table


def interval(endpoint: Endpoint) -> str:
    """The interval of what a request leaves behind, in words."""
    if endpoint.grows_low is None or endpoint.grows_high is None:
        return "not measured"
    return f"{endpoint.grows_low:.2f} to {endpoint.grows_high:.2f}"


def costs(endpoint: Endpoint) -> tuple[str, str, str, str]:
    """Statements, rows, milliseconds with a connection and kB at the peak of one call; dashes where it was not driven."""
    if not endpoint.calls:
        return ("–", "–", "–", "–")
    return (
        "–" if endpoint.statements is None else str(endpoint.statements),
        "–" if endpoint.rows is None else f"{endpoint.rows:,}",
        f"{endpoint.with_connection_s * 1000:.1f}",
        f"{endpoint.peak_bytes / 1000:,.0f}",
    )


def _place(finding: Finding) -> str:
    where = "\n".join(
        part for part in (f"{finding.where.path}:{finding.where.line}", finding.where.symbol) if part
    )
    return f"{where}\n{finding.route}" if finding.route else where
