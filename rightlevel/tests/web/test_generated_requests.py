"""Requests made up from the document by schemathesis, sent by every role in turn: no answer is a fault of ours or undocumented.

A bounded part runs with the suite; `make requests` sends 20,000 (or CASES of them; PART=3/8 sends an eighth of the operations theirs)
and writes down what was answered.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any
from urllib.parse import unquote

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from serving import NewDatabase, Served, serving

from rightlevel.web.app import all_routes
from rightlevel.web.document import document
from rightlevel.web.operations import pages as operations

pytestmark = pytest.mark.anyio

CASES = int(os.environ.get("CASES", "480"))
"""How many requests are sent in all."""
SEED = int(os.environ.get("SEED", "11"))
PART, PARTS = map(int, os.environ.get("PART", "1/1").split("/"))
IS_LONG = CASES >= 10_000
"""Pages are walked as rendered elsewhere; the long run has them too."""
IN_ONE_HOUSE = 40
"""So many operations are sent to one database: an admin's requests end accounts and rounds, and the next should find some."""
ROLES = ("admin", "coordinator", "mentor", "teacher", "viewer", "stranger", None)
ENDS_SESSIONS = {"/sign-out", "/me/sessions/revoke", "/api/v1/me/sessions/end-others"}
KNOWN_NUMBERS = 8
"""The cast's schools, places, people, round and class have the first numbers."""


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


def of_the_cast(value: Any, number: int, scene: Served, name: str = "") -> Any:
    """The same with ids that exist, so that what stands behind finding nothing is reached too."""
    if isinstance(value, dict):
        return {key: of_the_cast(each, number, scene, key) for key, each in value.items()}
    if isinstance(value, list):
        return [of_the_cast(each, number + n, scene, name) for n, each in enumerate(value)]
    if name == "id" or name.endswith(("_id", "_ids")):
        if isinstance(value, int) and not isinstance(value, bool):
            return 1 + (value + number) % KNOWN_NUMBERS
        if name.startswith("student") and isinstance(value, str):
            return scene.cast.students_a[number % len(scene.cast.students_a)]
    return value


def _as_file(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


async def send(client: httpx.AsyncClient, case: Any) -> httpx.Response | None:
    """What comes back; None for a request that no HTTP client can put on the wire."""
    sent = case.as_transport_kwargs(base_url="http://test")
    taken = {name: sent[name] for name in ("params", "json", "data", "files") if sent.get(name)}
    headers = {
        name: value
        for name, value in sent["headers"].items()
        if name.lower() not in ("user-agent", "connection", "authorization", "cookie")
    }
    if isinstance(taken.get("data"), bytes | str):
        taken["content"] = taken.pop("data")
    if "files" in taken:
        # What stands where a file should is a file with that in it: a form can say nothing else.
        taken["files"] = [
            (name, (part[0], _as_file(part[1]), *part[2:]) if isinstance(part, tuple) else _as_file(part))
            for name, part in taken["files"]
        ]
    try:
        return await client.request(sent["method"], sent["url"], headers=headers, **taken)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeEncodeError, ValueError, TypeError):
        return None


@pytest.mark.walk
async def test_no_request_that_the_document_allows_is_a_fault_of_ours(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "STREAM_S", 0.05)
    told = msgspec.json.decode(document(all_routes()))
    told["paths"] = {
        path: methods
        for path, methods in told["paths"].items()
        if path not in ENDS_SESSIONS and (IS_LONG or path.startswith("/api/"))
    }
    every = operations_of(told)
    each = max(1, CASES // len(every))
    mine = every[PART - 1 :: PARTS]
    answered, broken = Counter[tuple[str, int]](), list[str]()
    for first in range(0, len(mine), IN_ONE_HOUSE):
        async with serving(new_database(), tmp_path_factory.mktemp("requests")) as scene:
            for place, operation in enumerate(mine[first : first + IN_ONE_HOUSE], first):
                scene.clock.advance(
                    60
                )  # allowances fill up again: 429 says nothing about what stands behind it
                for number, case in enumerate(made_up(operation, each)):
                    who = ROLES[(number + (place if each < len(ROLES) else 0)) % len(ROLES)]
                    if (number // len(ROLES)) % 2 == 0:
                        case.path_parameters = of_the_cast(case.path_parameters, number, scene)
                        case.body = of_the_cast(case.body, number, scene)
                    async with scene.client(who) as client:
                        answer = await send(client, case)
                    if answer is None:
                        continue
                    answered[who or "nobody", answer.status_code] += 1
                    if answer.status_code >= 500:
                        shown = f"{operation.label} by {who}: {answer.status_code} {unquote(str(answer.request.url))[:300]}"
                        broken.append(f"{shown} {answer.request.content[:500]!r} {answer.text[:200]}")
    for (who, status), times in sorted(answered.items()):
        print(f"{who:12} {status} {times:6,}")  # noqa: T201  with -s, what was answered
    assert broken == []
    assert answered.total() > 0.8 * each * len(mine), answered
