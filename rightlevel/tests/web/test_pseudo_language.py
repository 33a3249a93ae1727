"""Every page in a language that nobody speaks: what stands on it without that language's marks stands in no catalogue, in any language."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser

import psycopg
import pytest
from fill_school import fill_school, ground
from form_walking import ROLES, ids_of, let_in, pages_of, whole
from people import NAMES
from pseudo_language import CLOSES, OPENS, Pseudo
from psycopg import sql
from serving import DEADLINE_S, OneDatabase, Served, serving

from rightlevel.web import offline
from rightlevel.web.language import LANGUAGES

pytestmark = pytest.mark.anyio

SAID = ("aria-label", "title", "placeholder", "alt")
NOT_READ = ("script", "style", "code", "pre")
SAME_EVERYWHERE = frozenset(
    """RightLevel English QR CSV XLSX Parquet PIN GPS PostgreSQL XLSForm SHA- UTC Asia TOTP API Mentoring""".casefold().split()
)
"""Names of things, which no language translates, and the name of the form that comes along, which a coordinator may change."""
OF_MACHINES = ("/operations", "/audit", "/imports")
"""They show names of columns, tables and settings, as they are."""


class Said(HTMLParser):
    """The texts of a page, each in one piece: what stands between tags, and what is read aloud or shown of an attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._unread = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in NOT_READ
        self.texts += [value for name, value in attrs if name in SAID and value]

    def handle_endtag(self, tag: str) -> None:
        self._unread -= tag in NOT_READ

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.texts.append(data)


def untranslated(page: str, known: frozenset[str]) -> set[str]:
    """The words of a page that came through no catalogue and that nobody entered."""
    text = "\n".join(Said(page).texts)
    while (without := re.sub(f"{OPENS}[^{OPENS}{CLOSES}]*{CLOSES}", " ", text)) != text:
        text = without
    words = re.findall(r"[A-Za-z][A-Za-z’'-]+", text)
    return {each for each in words if each.casefold() not in known}


def entered(site: Served) -> frozenset[str]:
    """Every word that stands in the database as a text."""
    words: set[str] = set()
    with psycopg.connect(site.server.conninfo) as connection:
        columns = connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where data_type in ('text', 'character varying') and table_schema not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        # What children read is in its own language whoever looks at it.
        columns.append(("public", "test_tool", "content"))
        columns.append(("public", "exercise", "cases"))
        for schema, table, column in columns:
            query = sql.SQL("select distinct {}::text from {} limit 2000").format(
                sql.Identifier(column), sql.Identifier(schema, table)
            )
            for (value,) in connection.execute(query):
                words.update(re.findall(r"[A-Za-z][A-Za-z’'-]+", value or ""))
    return frozenset(each.casefold() for each in words)


@pytest.fixture(scope="module")
async def site(
    new_database: Callable[[], OneDatabase],
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: object,
) -> AsyncIterator[Served]:
    """A programme in which everything was entered."""
    async with serving(new_database(), tmp_path_factory.mktemp("pseudo")) as opened:
        async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
            await fill_school(session, opened.cast.school_a, await ground(session, opened.cast))
        whole(opened)
        yield opened


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Pseudo:
    found = Pseudo()
    monkeypatch.setitem(LANGUAGES, "km", found)
    monkeypatch.setattr(
        offline, "_shell", offline._shell.__wrapped__
    )  # it is made once, in the languages of then
    return found


@pytest.mark.walk
@pytest.mark.parametrize("name", ROLES)
async def test_every_text_comes_out_of_a_catalogue(site: Served, pseudo: Pseudo, name: str) -> None:
    wrong: list[str] = []
    let_in(site)
    known = entered(site) | SAME_EVERYWHERE | {each.casefold() for each in NAMES}
    async with site.client(name, by="cookie") as client:
        await client.post("/language", data={"code": "km"})
        pages = await pages_of(client, {k: v for k, v in ids_of(site).items() if v is not None})
    assert len(pages) > 5, "a walk that looked at nothing is no walk"
    assert any(OPENS in each for each in pages.values())
    for address, page in pages.items():
        if (
            '<html lang="km"' in page
            and not address.startswith(OF_MACHINES)
            and (words := untranslated(page, known))
        ):
            wrong.append(f"{address}: {' '.join(sorted(words))}")
    assert not wrong, f"{name}:\n" + "\n".join(sorted(set(wrong))[:60])


def test_a_text_without_a_catalogue_is_found() -> None:
    page = f"<p title='Over'>{OPENS}Save {OPENS}all{CLOSES}{CLOSES} Bopha now</p><script>x y</script>"
    assert untranslated(page, frozenset({"bopha"})) == {"Over", "now"}
