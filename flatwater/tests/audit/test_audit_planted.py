"""Thirty leaks, planted one an endpoint: how many the audit names with their endpoint by reading the source, and what it says of their mended twins.

They are ours, so this shows that each kind is seen, not how many of a stranger's would be.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flatwater.audit.model import Report
from flatwater.audit.static import audit_folder

FOLDER = Path(__file__).parents[1] / "sample_apps"
PLANTED = {
    "/unclosed-session/{id}": "connection-not-returned",
    "/call-in-session/{id}": "network-in-transaction",
    "/n-plus-one/{id}": "query-per-row",
    "/session-over-a-wait/{id}": "connection-held",
    "/getconn/{id}": "connection-not-returned",
    "/wait-for-acquire/{id}": "connection-not-returned",
    "/listen-without-reconnect": "unwatched-listener",
    "/listen-in-a-transaction": "unwatched-listener",
    "/held-by-a-stream": "connection-held",
    "/held-by-a-background-task/{id}": "connection-held",
    "/outgoing-call/{id}": "network-in-transaction",
    "/dependency-without-finally/{id}": "connection-not-returned",
    "/store-object/{who}": "growing-container",
    "/cached-async/{currency}": "unbounded-cache",
    "/module-list": "growing-container",
    "/module-dict/{article}": "unbounded-cache",
    "/endless-cache/{who}": "unbounded-cache",
    "/forgotten-task/{id}": "unowned-task",
    "/thread-per-request/{id}": "unowned-task",
    "/endless-queue": "unbounded-queue",
    "/whole-upload": "whole-upload",
    "/label-from-input/{who}": "label-from-input",
    "/exception-kept/{article}": "exception-kept",
    "/class-container": "growing-container",
    "/application-state/{who}": "growing-container",
    "/listener-per-request": "registered-per-request",
    "/at-exit-per-request/{id}": "registered-per-request",
    "/no-limit": "query-without-limit",
    "/no-timeout": "no-time-limit",
    "/client-per-request": "client-per-request",
}


@pytest.fixture(scope="module")
def planted() -> Report:
    return audit_folder(FOLDER / "planted")


def test_thirty_leaks_are_planted(planted: Report) -> None:
    assert len(PLANTED) == len(planted.verdicts) == 30


@pytest.mark.parametrize("path", PLANTED)
def test_a_planted_leak_is_named_with_its_endpoint(planted: Report, path: str) -> None:
    (verdict,) = [each for each in planted.verdicts if each.route.endswith(path)]
    grave = {each.rule for each in planted.findings if each.key in verdict.findings and each.priority != "P3"}
    assert PLANTED[path] in grave


def test_nothing_grave_is_said_of_the_mended_twins() -> None:
    mended = audit_folder(FOLDER / "mended")
    assert len(mended.verdicts) == 30
    assert [
        (each.rule, each.route, each.where.line) for each in mended.findings if each.priority != "P3"
    ] == []
