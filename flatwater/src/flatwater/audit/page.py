"""An audit's report as one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from flatwater.audit.model import Endpoint, EndpointVerdict, Finding, Report, Verdict
from flatwater.audit.report import costs, interval, summary

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; overflow-wrap: anywhere; padding: 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } td, th { overflow-wrap: normal; border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: start; vertical-align: top }
code { font-size: .9em; overflow-wrap: anywhere } details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .5rem .8rem }
summary { cursor: pointer } dt { font-weight: 600 } dd { margin: 0 0 .5rem }
.P1, .P2, .P3, .clean, .not_examined { border-radius: .3rem; display: inline-block; font-weight: 600; padding: 0 .4rem }
.P1 { background: #b3261e; color: #fff } .P2 { background: #8a5a00; color: #fff } .P3 { background: #0b57d0; color: #fff }
.clean { background: #146c2e; color: #fff } .not_examined { background: #5f5f5f; color: #fff }
.wide { overflow-x: auto } .wide code, .number { white-space: nowrap } .number { text-align: end }
"""
_DRIVEN: Final = (
    "Route",
    "Memory",
    "Things kept a request, 95 % interval",
    "Bytes kept",
    "Statements",
    "Rows",
    "Milliseconds with a connection",
    "Peak kB",
)
_STATE: Final[dict[EndpointVerdict, str]] = {
    "flat": "clean",
    "shrinks": "clean",
    "grows": "P1",
    "cannot_tell": "not_examined",
    "not_examined": "not_examined",
}


def as_html(report: Report) -> str:
    """The page: the sentence, a verdict for each route, each finding with its reason and change, and what was not seen."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = f"Audit of {escape(report.subject)}"
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{_STYLE}</style></head><body>'
    yield f"<main><h1>{title}</h1><p>{escape(summary(report))}</p>"
    yield "<h2>Findings</h2>"
    for each in report.findings:
        yield _finding(each)
    if not report.findings:
        yield "<p>Nothing was found in what was examined.</p>"
    if report.verdicts:
        yield '<h2>Routes</h2><div class="wide"><table><thead><tr><th scope="col">Route</th><th scope="col">Verdict</th><th scope="col">Why</th></tr></thead><tbody>'
        yield from (_verdict(each) for each in report.verdicts)
        yield "</tbody></table></div>"
    if report.endpoints:
        yield "<h2>Driven</h2><p>What one request takes, and what it leaves behind: flat is an interval that lies below one thing in five requests.</p>"
        heads = "".join(f'<th scope="col">{each}</th>' for each in _DRIVEN)
        yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
        yield from (_endpoint(each) for each in report.endpoints)
        yield "</tbody></table></div>"
    if report.ignored:
        yield "<h2>Ignored with a reason</h2><ul>"
        yield from (
            f"<li><code>{escape(each.finding.key)}</code>: {escape(each.reason)}</li>"
            for each in report.ignored
        )
        yield "</ul>"
    if report.unseen:
        yield "<h2>Not examined</h2><ul>"
        yield from (
            f"<li><code>{escape(each.what)}</code>: {escape(each.why)}</li>" for each in report.unseen
        )
        yield "</ul>"
    yield "</main></body></html>"


def _finding(each: Finding) -> str:
    place = f"{each.where.path}:{each.where.line}" if each.where.line else each.where.path
    route = f"<dt>Route</dt><dd><code>{escape(each.route)}</code></dd>" if each.route else ""
    seen = {"source": "in the source", "driving": "when driven", "both": "in the source and when driven"}[
        each.by
    ]
    symbol = f", in <code>{escape(each.where.symbol)}</code>" if each.where.symbol else ""
    return (
        f'<details id="{escape(each.key)}"><summary><span class="{each.priority}">{each.priority}</span> {escape(each.rule)}'
        f" · <code>{escape(place)}</code></summary><p>{escape(each.saw)}</p><dl>{route}<dt>Seen</dt><dd>{seen}{symbol}</dd><dt>Why</dt><dd>{escape(each.why)}</dd><dt>Instead</dt><dd>{escape(each.change)}</dd><dt>Key</dt><dd><code>{escape(each.key)}</code></dd></dl></details>"
    )


def _endpoint(each: Endpoint) -> str:
    word = each.verdict.replace("_", " ")
    cells = (interval(each), f"{each.bytes_per_request:,.0f}" if each.calls else "–", *costs(each))
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    reason = f"<br>{escape(each.reason)}" if each.reason else ""
    return f'<tr><td><code>{escape(each.route)}</code></td><td><span class="{_STATE[each.verdict]}">{word}</span>{reason}</td>{numbers}</tr>'


def _verdict(each: Verdict) -> str:
    word = each.state.replace("_", " ")
    why = escape(each.reason) or ", ".join(
        f'<a href="#{escape(key)}">{escape(key.partition("/")[0])}</a>' for key in each.findings
    )
    return f'<tr><td><code>{escape(each.route)}</code></td><td><span class="{each.state}">{word}</span></td><td>{why}</td></tr>'
