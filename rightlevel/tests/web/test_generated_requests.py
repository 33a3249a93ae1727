"""Requests made up from the document by schemathesis, sent by every role in turn: no answer is a fault of ours or undocumented.

A bounded part runs with the suite; `make requests` sends 20,000 (or CASES of them).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from serving import NewDatabase, Served, serving

from rightlevel.web.app import all_routes
from rightlevel.web.pages import operations
from rightlevel.web.service import document

pytestmark = pytest.mark.anyio

CASES = int(os.environ.get("CASES", "480"))
"""How many requests are sent in all."""
SEED = int(os.environ.get("SEED", "11"))
ROLES = ("admin", "coordinator", "mentor", "teacher", "viewer", "stranger", None)
ENDS_SESSIONS = {"/sign-out", "/me/sessions/revoke", "/api/v1/me/sessions/end-others"}


@pytest.fixture(scope="module")
async def house(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "STREAM_S", 0.05)
        async with serving(new_database(), tmp_path_factory.mktemp("requests")) as opened:
            yield opened


def operations_of(told: dict[str, Any]) -> list[Any]:
    """What the document offers, as schemathesis reads it."""
    return [each.ok() for each in schemathesis.openapi.from_dict(told).get_all_operations()]


def made_up(operation: Any, number: int) -> list[Any]:
    """So many requests for one operation, the same for the same seed."""
    cases: list[Any] = []

    @seed(SEED)
    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    return cases[:number]


async def send(client: httpx.AsyncClient, case: Any) -> httpx.Response | None:
    """What comes back; None for a request that no HTTP client can put on the wire."""
    sent = case.as_transport_kwargs(base_url="http://test")
    taken = {name: sent[name] for name in ("params", "json", "data", "files") if sent.get(name)}
    headers = {
        name: value
        for name, value in sent["headers"].items()
        if name.lower() not in ("user-agent", "connection")
    }
    if isinstance(taken.get("data"), bytes | str):
        taken["content"] = taken.pop("data")
    try:
        return await client.request(sent["method"], sent["url"], headers=headers, **taken)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeEncodeError, ValueError, TypeError):
        return None


async def test_no_request_that_the_document_allows_is_a_fault_of_ours(house: Served) -> None:
    told = msgspec.json.decode(document(all_routes()))
    if CASES < 10_000:  # pages are walked as rendered elsewhere; the long run has them too
        told["paths"] = {path: methods for path, methods in told["paths"].items() if path.startswith("/api/")}
    told["paths"] = {path: methods for path, methods in told["paths"].items() if path not in ENDS_SESSIONS}
    every = operations_of(told)
    each = max(1, CASES // len(every))
    sent, broken = 0, list[str]()
    for operation in every:
        for number, case in enumerate(made_up(operation, each)):
            who = ROLES[(number + sent) % len(ROLES)] if each < len(ROLES) else ROLES[number % len(ROLES)]
            async with house.client(who) as client:
                answer = await send(client, case)
            if answer is None:
                continue
            sent += 1
            if answer.status_code >= 500:
                shown = f"{operation.label} by {who}: {answer.status_code} {unquote(str(answer.request.url))[:300]}"
                broken.append(f"{shown} {answer.request.content[:500]!r} {answer.text[:200]}")
    assert broken == []
    assert sent > 0.8 * each * len(every), sent
