"""Every page for every role says something true: who is read about is asked nothing they decide themselves, and what is offered opens."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest
from fill_school import fill_school, ground
from form_reading import shown_text
from form_walking import ROLES, ids_of, let_in, pages_of, route_of, whole
from serving import DEADLINE_S, OneDatabase, Served, serving
from simulation.forms import forms_of

from rightlevel.programme.forms.first_form_words import WHO
from rightlevel.web.language import LANGUAGES

pytestmark = pytest.mark.anyio

LEADERS = ("admin", "coordinator")
ASKS_A_LEADER = re.compile(r"(?i)\b(ask|tell) your coordinator")
INTERNAL = re.compile(r"\b[a-z]+_(?:on|id|ids|code)\b|\bNone\b(?!\.| of)|\bUndefined\b|\{[a-z_]+\}")
LAST_CHOICES = re.compile(rf"\b{WHO[-2][1]},? {WHO[-1][1]}(?=\W|$)")
"""Of a visit's form, where "None" is an answer that people choose and no value that is missing; it stands after "A few" only."""
OF_COLUMNS = ("/imports", "/operations", "/languages/")
"""They name columns, of files and of the database, and blanks of texts, to those who work with them."""
ELSEWHERE = ("/photos/", "/calendar/", "/operations/live", "/export")


@pytest.fixture(scope="module", params=["bare", "filled"])
async def site(
    request: pytest.FixtureRequest,
    new_database: Callable[[], OneDatabase],
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: object,
) -> AsyncIterator[Served]:
    """A programme in which nothing was entered yet, and one in which everything was."""
    async with serving(new_database(), tmp_path_factory.mktemp("pages")) as opened:
        if request.param == "filled":
            async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
                await fill_school(session, opened.cast.school_a, await ground(session, opened.cast))
            whole(opened)
        yield opened


@pytest.mark.walk
@pytest.mark.parametrize("name", ROLES)
async def test_what_pages_say_is_true_for_who_reads_them(site: Served, name: str) -> None:
    wrong: list[str] = []
    let_in(site)
    async with site.client(name, by="cookie") as client:
        for language in LANGUAGES:
            await client.post("/language", data={"code": language})
            pages = await pages_of(client, {k: v for k, v in ids_of(site).items() if v is not None})
            for address, text in pages.items():
                said = shown_text(re.sub(r"<(script|style|code).*?</\1>", "", text, flags=re.DOTALL))
                if text.startswith("5xx"):
                    wrong.append(f"5xx: {address}")
                if name in LEADERS and ASKS_A_LEADER.search(said):
                    wrong.append(f"a leader is told to ask one: {address}")
                said = LAST_CHOICES.sub(" ", said)
                if (found := INTERNAL.search(said)) and not address.startswith(OF_COLUMNS):
                    wrong.append(
                        f"an internal name: {address} {found[0]!r} in {said[max(0, found.start() - 40) : found.end() + 20]!r}"
                    )
            wrong += await _dead_ends(client, pages) if language == "en" else []
        assert len(pages) > 5, "a walk that looked at nothing is no walk"
    assert not wrong, f"{name}:\n" + "\n".join(sorted(set(wrong))[:40])


async def _dead_ends(client: object, pages: dict[str, str]) -> list[str]:
    """Links of one's own pages that lead nowhere for this reader, and forms whose route they may not use."""
    wrong: list[str] = []
    seen: dict[str, int] = {}
    for address, text in pages.items():
        if 'class="panel narrow error-page"' in text:
            continue
        for href in set(re.findall(r'href="(/[^"#]*)', text)):
            path = href.replace("&amp;", "&")
            route = route_of(path, "GET")
            if path.startswith(("/static/", *ELSEWHERE)) or any(each in path for each in ELSEWHERE):
                continue
            kind = route.path if route else path
            if seen.get(kind, 0) >= 3:
                continue
            seen[kind] = seen.get(kind, 0) + 1
            status = (await client.get(path)).status_code  # type: ignore[attr-defined]
            if status >= 400:
                wrong.append(f"a link leads to {status}: {path} on {address}")
        posts = [each for each in forms_of(text) if each.method == "post"]
        wrong += [
            f"a form leads nowhere: {each.action} on {address}"
            for each in posts
            if route_of(each.action, "POST") is None
        ]
    return wrong
