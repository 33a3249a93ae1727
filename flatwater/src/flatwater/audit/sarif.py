"""An audit's report as SARIF 2.1.0, which code hosts show beside the changed lines."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Final
from urllib.parse import quote

import msgspec

from flatwater.audit.model import Finding, Ignored, Priority, Report
from flatwater.audit.rule import Rule

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVEL: Final[dict[Priority, str]] = {"P1": "error", "P2": "warning", "P3": "note"}
_FINGERPRINT: Final = "flatwaterKey/v1"


def as_sarif(report: Report, rules: Iterable[Rule]) -> str:
    """The report as one run. *Shape*: ignored findings are results with a suppression; files are relative to `SRCROOT`."""
    told = _rules(report, rules)
    index = {each["id"]: number for number, each in enumerate(told)}
    results = [_result(each, index) for each in report.findings]
    results += [_suppressed(each, index) for each in report.ignored]
    notes = [
        {"level": "note", "message": {"text": f"not examined: {each.what}: {each.why}"}}
        for each in report.unseen
    ]
    notes += [
        {"level": "note", "message": {"text": f"not examined: {each.route}: {each.reason}"}}
        for each in report.verdicts
        if each.state == "not_examined"
    ]
    run = {
        "tool": {"driver": {"name": "flatwater", "semanticVersion": version("flatwater"), "rules": told}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The audited source's own folder."}}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": results,
        "properties": {"endpoints": report.endpoints},
    }
    return msgspec.json.format(
        msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}), indent=2
    ).decode()


def _rules(report: Report, rules: Iterable[Rule]) -> list[dict[str, object]]:
    known: list[dict[str, object]] = [
        {
            "id": each.name,
            "shortDescription": {"text": each.change},
            "fullDescription": {"text": each.reason},
            "help": {"text": f"{each.reason}\n\nInstead: {each.change}\n\nBad:{each.bad}\nGood:{each.good}"},
            "defaultConfiguration": {"level": LEVEL[each.priority]},
            "properties": {"priority": each.priority},
        }
        for each in rules
    ]
    names = {each["id"] for each in known}
    # Rules of the driven half, and those about ignores, are described by their findings.
    for finding in report.findings:
        if finding.rule not in names:
            names.add(finding.rule)
            known.append(
                {
                    "id": finding.rule,
                    "shortDescription": {"text": finding.change},
                    "fullDescription": {"text": finding.why},
                    "defaultConfiguration": {"level": LEVEL[finding.priority]},
                }
            )
    return known


def _result(finding: Finding, index: dict[object, int]) -> dict[str, object]:
    text = f"{finding.saw} {finding.why} {finding.change}"
    result: dict[str, object] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": LEVEL[finding.priority],
        "message": {"text": text},
        "partialFingerprints": {_FINGERPRINT: finding.key},
        "properties": {"priority": finding.priority, "by": finding.by, "route": finding.route},
    }
    if finding.where.path:
        file: dict[str, object] = {"uri": quote(finding.where.path)}
        if not finding.where.path.startswith("/"):
            file["uriBaseId"] = "SRCROOT"
        place: dict[str, object] = {"artifactLocation": file}
        if finding.where.line > 0:
            place["region"] = {"startLine": finding.where.line}
        result["locations"] = [
            {
                "physicalLocation": place,
                "logicalLocations": [{"fullyQualifiedName": finding.where.symbol, "kind": "function"}],
            }
        ]
    return result


def _suppressed(ignored: Ignored, index: dict[object, int]) -> dict[str, object]:
    return {
        **_result(ignored.finding, index),
        "suppressions": [{"kind": "inSource", "status": "accepted", "justification": ignored.reason}],
    }
