"""The two halves of an audit as one report: what source and driving both show of a route is told once."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from flatwater.audit.model import Endpoint, Finding, Report, State, Unseen, Verdict, in_order


def with_driven(
    report: Report,
    driven: Iterable[Finding],
    unseen: Iterable[Unseen] = (),
    endpoints: Iterable[Endpoint] = (),
) -> Report:
    """The report with what driving found.

    A driven finding joins the static one of the same rule in a function that its route passes, and lends it its proof;
    the graver priority counts. A route that was not driven keeps its verdict from the source, and is told as not examined.
    """
    passing = {verdict.route: set(verdict.findings) for verdict in report.verdicts}
    kept = list(report.findings)
    told: dict[str, list[str]] = {}
    for each in driven:
        route = each.route or ""
        number = next(
            (
                at
                for at, mine in enumerate(kept)
                if mine.rule == each.rule
                and mine.by != "driving"
                and _same(mine, each, passing.get(route, set()))
            ),
            None,
        )
        if number is None:
            kept.append(each)
            told.setdefault(route, []).append(each.key)
        else:
            kept[number] = _joined(kept[number], each)
            told.setdefault(route, []).append(kept[number].key)
    findings = in_order(kept)
    return msgspec.structs.replace(
        report,
        findings=findings,
        verdicts=_verdicts(report, findings, told),
        unseen=(*report.unseen, *unseen),
        endpoints=(*report.endpoints, *endpoints),
    )


def _same(static: Finding, driven: Finding, passing: set[str]) -> bool:
    return driven.route is not None and (static.route == driven.route or static.key in passing)


def _joined(static: Finding, driven: Finding) -> Finding:
    priority = in_order((static, driven))[0].priority
    saw = f"{static.saw} Driven: {driven.saw}"
    return msgspec.structs.replace(static, priority=priority, saw=saw, by="both")


def _verdicts(
    report: Report, findings: tuple[Finding, ...], told: dict[str, list[str]]
) -> tuple[Verdict, ...]:
    rank = {each.key: number for number, each in enumerate(findings)}
    by_key = {each.key: each for each in findings}
    known = {each.route: each for each in report.verdicts}
    said: list[Verdict] = []
    for route in dict.fromkeys((*known, *(each for each in told if each))):
        before = known.get(route, Verdict(route, "clean"))
        keys = sorted({*before.findings, *told.get(route, [])}, key=rank.__getitem__)
        state: State = by_key[keys[0]].priority if keys else before.state
        said.append(Verdict(route, state, tuple(keys), "" if keys else before.reason))
    return tuple(said)
