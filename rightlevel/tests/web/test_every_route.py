"""Every route × every role × (own, other school, other subject, nobody): the permission table, walked over HTTP.

A route that this file does not know how to ask fails the test, so nobody adds one without saying who may call it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from asking import ask, other_school, own, query_of
from people import NAMES
from serving import OneDatabase, Served, serving

from flatwater.contract import Endpoint
from rightlevel.programme.permissions import ROLES, TABLE, May, allowed
from rightlevel.web.app import all_routes
from rightlevel.web.operations import pages as operations

pytestmark = pytest.mark.anyio

REGISTRY = all_routes()
OPEN_TO_ALL = {
    "/healthz",
    "/version",
    "/api/v1/openapi.json",
    "/sign-in",
    "/language",
    "/api/cron/cleanup-rate-limits",
    "/calendar/{secret}",
    "/live/{secret}/{what}",
    "/odata/{secret}",
    "/odata/{secret}/",
    "/odata/{secret}/$metadata",
    "/odata/{secret}/{name}",
    "/odata/{secret}/{name}/$count",
    "/join",
    "/api/v1/join",
    "/code",
    "/sign-in/school",
    "/link-device",
    "/phone",
    "/phone/{language}",
    "/worker.js",
    "/api/v1/phones/{id}",
    "/public",
    "/public/figures.csv",
    "/api/v1/public/figures",
}
"""The only addresses for somebody who isn't signed in; a new one is a decision, made here."""

ROLE_OF = {name: name.split("_")[0] if name != "stranger" else "teacher" for name in NAMES}


@pytest.fixture(scope="module")
async def scene(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "STREAM_S", 0.1)
        async with serving(new_database(), tmp_path_factory.mktemp("routes")) as opened:
            yield opened


NOTHING_THERE: dict[str, Any] = {}
EVERY = list(REGISTRY)


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def test_every_route_says_who_may_call_it() -> None:
    for endpoint in REGISTRY:
        if endpoint.who.needs_actor:
            assert isinstance(endpoint.who, May), f"{named(endpoint)} does not ask the permission table"
        else:
            assert endpoint.path in OPEN_TO_ALL, f"{named(endpoint)} is open to strangers; was that decided?"


def test_every_page_that_writes_reads_the_form_that_carries_the_sessions_token() -> None:
    """Seen: a page without a form of its own read no body, so that no browser's token ever reached it, and every button got 403."""
    deaf = [
        named(endpoint)
        for endpoint in REGISTRY
        if "pages" in endpoint.tags
        and endpoint.method == "POST"
        and not {"form", "body", "upload"} & endpoint.inputs.keys()
    ]
    assert not deaf


def test_every_pair_of_the_table_names_known_roles() -> None:
    for pair, roles in TABLE.items():
        assert roles <= set(ROLES), pair


@pytest.mark.parametrize("endpoint", EVERY, ids=named)
async def test_a_stranger_gets_in_nowhere_but_where_all_may(scene: Served, endpoint: Endpoint) -> None:
    async with scene.client() as client:
        answer = await ask(client, endpoint, own(scene.cast))
    if endpoint.path in OPEN_TO_ALL:
        assert answer.status_code not in (401, 500), answer.text
    elif endpoint.method == "GET" and (endpoint.is_page or answer.status_code == 303):  # a file of a page too
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/sign-in")
    else:
        assert answer.status_code == 401, answer.text


@pytest.mark.parametrize("endpoint", [each for each in EVERY if isinstance(each.who, May)], ids=named)
async def test_each_role_is_let_in_or_refused_as_the_table_says(scene: Served, endpoint: Endpoint) -> None:
    assert isinstance(endpoint.who, May)
    # Changing routes are asked for things that are not there, so that what they would do is never done.
    ids = own(scene.cast) if endpoint.method == "GET" else NOTHING_THERE
    for name in ("admin", "coordinator", "mentor", "teacher", "viewer"):
        async with scene.client(name) as client:
            answer = await ask(client, endpoint, ids)
        assert answer.status_code != 500, f"{name}: {answer.text}"
        if allowed(ROLE_OF[name], endpoint.who.action, endpoint.who.resource):  # type: ignore[arg-type]
            assert answer.status_code != 401, name
            if (
                endpoint.method == "GET" and endpoint.who.resource != "self"
            ):  # one's own things; others' are refused inside
                assert answer.status_code != 403, f"{name} is allowed but was refused: {answer.text}"
        else:
            assert answer.status_code == 403, f"{name} got {answer.status_code}"


FIELD = ("mentor", "teacher", "stranger")
ANSWERS_BY_ROW = {"/api/v1/verifications/retests", "/api/v1/guided-tests/next"}
"""Batches whose rows are each refused for themselves (their rooms' tests prove it), and what is about no child at all."""
SCOPED = [
    each
    for each in EVERY
    if isinstance(each.who, May)
    and each.who.resource in ("student", "result", "class_sheet", "search")
    and ("{" in each.path or {"query", "body"} & each.inputs.keys())
]


@pytest.mark.parametrize("endpoint", SCOPED, ids=named)
async def test_nobody_reaches_a_child_of_another_school(scene: Served, endpoint: Endpoint) -> None:
    ids = other_school(scene.cast)
    secrets = [*scene.cast.students_b, "Beta child"]
    for name in FIELD:
        async with scene.client(name) as client:
            answer = await ask(client, endpoint, ids)
        assert answer.status_code != 500, answer.text
        shown = [
            secret for secret in secrets if secret in answer.text and secret not in str(answer.request.url)
        ]
        body = answer.request.content.decode(errors="replace")
        assert not [secret for secret in shown if secret not in body], (
            f"{name} saw {shown} at {named(endpoint)}"
        )
        if (
            endpoint.method != "GET"
            and "results" not in endpoint.path
            and endpoint.path not in ANSWERS_BY_ROW
        ):
            assert answer.status_code in (403, 404, 422), (
                f"{name} got {answer.status_code}: {answer.text[:200]}"
            )


@pytest.mark.parametrize("endpoint", SCOPED, ids=named)
async def test_nobody_reaches_a_subject_that_is_not_theirs(scene: Served, endpoint: Endpoint) -> None:
    if "subject" not in str(endpoint.inputs.get("query")) and "result" not in endpoint.who.resource:  # type: ignore[attr-defined]
        pytest.skip("no subject is asked for here")
    async with scene.client("teacher_elsewhere") as client:  # holds language only
        answer = await ask(client, endpoint, {**other_school(scene.cast), "subject": "math"})
    assert answer.status_code != 500, answer.text
    if endpoint.method == "GET" and "subject" in query_of(endpoint, {"subject": "math"}):
        # A listing that is narrowed to what one does not reach may also be empty.
        is_empty = answer.status_code == 200 and endpoint.page is not None and answer.json()["items"] == []
        assert is_empty or answer.status_code in (403, 404), answer.text[:300]


def test_the_two_checks_look_at_some_routes() -> None:
    assert len(SCOPED) >= 10, "a check that looked at nothing is no check"
    assert Path(__file__).exists()
