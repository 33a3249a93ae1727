"""Every form of every page, as each role, filled in wrongly in each way and posted as it was rendered: it comes back as it was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fill_school import fill_school, ground
from form_walking import (
    ROLES,
    Page,
    examine,
    ids_of,
    is_pointless,
    let_in,
    offered,
    post,
    route_path,
    typed,
    whole,
)
from serving import DEADLINE_S, OneDatabase, Served, serving
from simulation.forms import forms_of

pytestmark = pytest.mark.anyio

WAYS = {
    "en": ("nothing", "half", "wrong", "long", "fit", "early", "late", "stale"),
    "km": ("nothing", "wrong"),
}
DONE: set[tuple[str, str, str, frozenset[str]]] = set()
"""What the walk of another role has sent in every way; here it is sent once, to see that it comes back for this role too."""


@pytest.fixture(scope="module")
async def full(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path_factory.mktemp("forms")) as opened:
        async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
            await fill_school(session, opened.cast.school_a, await ground(session, opened.cast))
        whole(opened)
        yield opened


@pytest.mark.walk
@pytest.mark.parametrize("name", ROLES[::-1])
async def test_every_form_comes_back_as_it_was_sent(full: Served, name: str) -> None:
    faults: list[str] = []
    posts = 0
    let_in(full)
    async with full.client(name, by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        for language in WAYS:
            await client.post("/language", data={"code": language, "csrf_token": "csrf"})
            for page in await offered(client, name, ids_of(full)):
                found, sent = await _walk(client, page, language)
                faults, posts = faults + found, posts + sent
    assert posts > 10, "a walk that looked at nothing is no walk"
    kinds = Counter(each.split(":")[0] for each in faults)
    assert not faults, f"{len(faults)} of {posts}: {kinds}\n" + "\n".join(faults[:60])


async def _walk(client: httpx.AsyncClient, page: Page, language: str) -> tuple[list[str], int]:
    """What is wrong when one form is sent in each way, and how often it was sent."""
    faults: list[str] = []
    posts = 0
    key = (language, route_path(page.address), page.route, frozenset(page.form.names))
    ways = WAYS[language] if key not in DONE else ("wrong",)
    DONE.add(key)
    for mode in ways:
        text = (await client.get(page.address)).text
        form = next(
            (f for f in forms_of(text) if f.action == page.form.action and f.names == page.form.names), None
        )
        if form is None:
            break  # the deed was done: some of what is typed here is all that it needs
        if is_pointless(form, mode):
            continue
        values = typed(form, mode)
        answer = await post(client, form, values)
        posts += 1
        faults += examine(page, mode, values, answer, language)
    return faults, posts
