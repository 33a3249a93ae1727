"""Every form of every page, as each role, filled in wrongly in each way and posted as it was rendered: it comes back as it was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fill_school import fill_school, ground
from form_walking import ROLES, examine, ids_of, let_in, offered, post, route_path, typed, whole
from serving import DEADLINE_S, OneDatabase, Served, serving

from simulation.forms import forms_of

pytestmark = pytest.mark.anyio

WAYS = {"en": ("nothing", "half", "wrong", "long", "fit", "early", "late", "stale"), "km": ("nothing", "wrong")}
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


@pytest.mark.parametrize("language", ["en", "km"])
@pytest.mark.parametrize("name", ROLES)
async def test_every_form_comes_back_as_it_was_sent(full: Served, name: str, language: str) -> None:
    faults: list[str] = []
    posts = 0
    let_in(full)
    async with full.client(name, by="cookie") as client:
        client.headers.pop("x-csrf-token", None)
        await client.post("/language", data={"code": language, "csrf_token": "csrf"})
        pages = await offered(client, name, ids_of(full))
        for page in pages:
            key = (language, route_path(page.address), page.route, frozenset(page.form.names))
            ways = WAYS[language] if key not in DONE else ("wrong",)
            DONE.add(key)
            for mode in ways:
                text = (await client.get(page.address)).text
                fresh = [
                    f for f in forms_of(text) if f.action == page.form.action and f.names == page.form.names
                ]
                form = fresh[0] if fresh else page.form
                values = typed(form, mode)
                if mode == "stale" and "version" not in form.names:
                    continue
                if mode in ("early", "late") and not any(
                    at.get("type") == "date" for at in form.shown.values()
                ):
                    continue
                if not form.shown and mode != "stale":
                    continue
                answer = await post(client, form, values)
                posts += 1
                faults += examine(page, mode, values, answer, language)
    assert len(pages) > 5 and posts > 10, "a walk that looked at nothing is no walk"
    if faults:
        Path(f"/tmp/forms_{name}_{language}.txt").write_text("\n".join(faults))
    kinds = Counter(each.split(":")[0] for each in faults)
    assert not faults, f"{len(faults)} of {posts}: {kinds}\n" + "\n".join(faults[:60])
