"""The rules on published code: what they find in excerpts of six projects, and what they rightly leave alone there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flatwater.audit.app import App
from flatwater.audit.routes import routes_in
from flatwater.audit.rules import RULES
from flatwater.audit.source import Module

FOLDER = Path(__file__).parent / "public_code"

# The excerpt, what of it a request calls, and what is to be found: rule, function, priority.
EXCERPTS: list[tuple[str, str, set[tuple[str, str, str]]]] = [
    ("argilla_accounts", "list_users", {("query-without-limit", "list_users", "P1")}),
    ("argilla_accounts", "list_users_by_ids", set()),
    ("argilla_accounts", "get_user_by_id", set()),
    ("lnbits_assets", "get_user_asset_info", {("select-star", "get_user_asset_info", "P2")}),
    (
        # Its list is another service's, whose length is not in sight.
        "lnbits_reviews",
        "get_extension_reviews_tags",
        {("client-per-request", "get_extension_reviews_tags", "P2")},
    ),
    ("lnbits_lndrest", "LndRestNode", {("unowned-task", "LndRestNode.close_channel", "P1")}),
    ("terracotta_drivers", "get_driver", {("unbounded-cache", "get_driver", "P3")}),
    (
        "quetz_dao",
        "Dao.get_users",
        {("query-without-limit", "Dao.get_users", "P3"), ("offset-paging", "get_paginated_result", "P3")},
    ),
    ("quetz_deps", "get_remote_session", set()),
    ("quetz_workers", "RQManager.wait", {("blocking-in-async", "RQManager.wait", "P2")}),
    ("jupyterhub_xsrf", "check_xsrf_cookie", {("secret-compared", "check_xsrf_cookie", "P1")}),
    ("prefect_csrf", "create_csrf_token", {("scheduled-work", "create_csrf_token", "P2")}),
    ("prefect_calls", "Call.run", set()),
    (
        "prefect_related",
        "read_automations_related_to_resource",
        {("query-without-limit", "read_automations_related_to_resource", "P3")},
    ),
    ("prefect_artifacts", "read_artifacts", {("offset-paging", "read_artifacts", "P3")}),
]


@pytest.mark.parametrize(
    ("excerpt", "called", "expected"), EXCERPTS, ids=[called for _, called, _ in EXCERPTS]
)
def test_published_code_is_judged_as_a_reader_judged_it(
    excerpt: str, called: str, expected: set[tuple[str, str, str]]
) -> None:
    published = Module(
        FOLDER / f"{excerpt}.txt", f"{excerpt}.py", excerpt, (FOLDER / f"{excerpt}.txt").read_text()
    )
    first = called.partition(".")[0]
    caller = f"from {excerpt} import {first}\n\n@app.post('/asked')\nasync def asked():\n    {called}()\n"
    asking = Module(Path("asking.py"), "asking.py", "asking", caller)
    app = App([published, asking], routes_in([published, asking]))
    found = {
        (each.rule, each.where.symbol, each.priority)
        for rule in RULES
        for each in rule.look(published, app)
        if called.partition(".")[0] in each.where.symbol or excerpt == "quetz_dao"
    }
    assert found == expected


def test_every_excerpt_names_its_project_and_its_licence() -> None:
    excerpts = sorted(FOLDER.glob("*.txt"))
    assert len({each.read_text().split()[3] for each in excerpts}) >= 5
    assert all("SPDX-License-Identifier: " in each.read_text().split("\n")[1] for each in excerpts)
