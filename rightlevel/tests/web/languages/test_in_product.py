"""A language is added, translated, taken out and in as a file, and read at once in every process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import msgspec
import pytest
from babel.messages.pofile import read_po
from form_reading import form_at, send
from serving import OneDatabase, Served, serving

from rightlevel.assembly import Platform, open_platform
from rightlevel.cldr import locale_of
from rightlevel.programme.languages import translation_faults
from rightlevel.web.app import build_app
from rightlevel.web.language import (
    LANGUAGES,
    STARTING_NAMES,
    base_language,
    source_text,
    starting_codes,
    starting_texts,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(
    new_database: Callable[[], OneDatabase], tmp_path: Path, anyio_backend: object
) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    """One for all tests in which nothing is changed."""
    async with serving(new_database(), tmp_path_factory.mktemp("languages")) as opened:
        yield opened


async def offer(client: httpx.AsyncClient, code: str) -> None:
    page = await client.get("/languages")
    assert (await send(client, page, "/languages", code=code)).status_code == 303
    page = await client.get("/languages")
    assert (await send(client, page, f"/languages/{code}")).status_code == 303


async def translated(client: httpx.AsyncClient, code: str, text: str, *forms: str) -> httpx.Response:
    page = await client.get(f"/languages/{code}/text", params={"text": text})
    assert page.status_code == 200, page.text
    found = form_at(page, f"/languages/{code}/text")
    return await client.post(f"/languages/{code}/text", data={**found.fields, "forms": list(forms)})


@pytest.mark.parametrize("code", starting_codes())
def test_every_text_that_a_machine_made_could_be_saved_by_a_person(code: str) -> None:
    language, texts = base_language(code), starting_texts(code)
    assert len(texts) > 100
    for text, forms in texts.items():
        source = source_text(language, text)
        assert source is not None, text
        assert translation_faults(source, forms) == [], text


def test_what_a_started_language_calls_itself_is_what_cldr_says() -> None:
    assert {code: locale_of(code)[1] for code in starting_codes()} == STARTING_NAMES


def test_what_a_machine_made_is_marked_in_its_file() -> None:
    assert starting_codes() == ["hi", "ur"]
    for code in starting_codes():
        path = Path(
            LANGUAGES["km"].__class__.__module__
            and __import__("rightlevel.web.languages", fromlist=["x"]).__file__
        ).parent
        catalogue = read_po(BytesIO((path / "starting" / f"{code}.po").read_bytes()), locale=code)
        assert all(each.fuzzy for each in catalogue if each.id)


async def test_hindi_and_urdu_are_added_and_read_without_a_release(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        before = (await client.get("/languages")).text
        assert "हिन्दी" in before
        await offer(client, "hi")
        await offer(client, "ur")
        assert (await client.post("/language", data={"code": "ur", "csrf_token": "csrf"})).status_code == 303
        home = (await client.get("/")).text
        assert '<html lang="ur" dir="rtl">' in home
        assert "ہوم" in home
        # What nobody translated yet is read in English, never left out.
        assert "Add a language" in (await client.get("/languages")).text
    async with site.client() as stranger:
        page = (await stranger.get("/sign-in", headers={"accept-language": "hi-IN"})).text
        assert "साइन इन करें" in page
        shell = (await stranger.get("/phone/ur")).text
        assert 'dir="rtl"' in shell
        assert "اس فون پر" in shell
        assert "/phone/hi" in (await stranger.get("/worker.js")).text
        assert (await stranger.get("/phone/th")).status_code == 404


async def test_a_translation_is_read_at_once_in_every_process(site: Served, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(site.platform.settings, data_folder=tmp_path / "other")

    @asynccontextmanager
    async def platform() -> AsyncIterator[Platform]:
        async with open_platform(settings, server=site.server, clock=site.clock) as running:
            yield running

    app = build_app(platform)
    async with app.running():
        second = msgspec.structs.replace(site, app=app)
        reader, client = second.client("teacher", by="cookie"), site.client("coordinator", by="cookie")
        assert "Children of today" not in (await reader.get("/students")).text
        assert (await translated(client, "en", "Children", "Children of today")).status_code == 303
        assert "Children of today" in (await client.get("/students")).text
        assert "Children of today" in (await reader.get("/students")).text
        await reader.aclose()
        await client.aclose()


async def test_a_translation_puts_no_markup_and_no_code_into_a_page(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        for form, said in (
            ("<script>alert(1)</script> {n}", "No markup: leave out"),
            ("{n.__class__} {n}", "In braces only these"),
        ):
            answer = await translated(client, "en", "{n} tested", form)
            assert answer.status_code == 422
            assert said in answer.text
            assert "<script>alert" not in answer.text
        quoted = 'Home" onmouseover="alert(1)&<!--'.replace("<!--", "")
        assert (await translated(client, "en", "Home", quoted)).status_code == 303
        home = (await client.get("/")).text
        assert 'onmouseover="alert' not in home
        assert "Home&#34; onmouseover" in home
    async with site.client("coordinator") as client:
        sent = {"text": "{n} tested", "forms": ["{n.x}"]}
        assert (await client.put("/api/v1/languages/en/texts", json=sent)).status_code == 422
        unknown = {"text": "No text of ours", "forms": ["x"]}
        assert (await client.put("/api/v1/languages/en/texts", json=unknown)).status_code == 404
    async with site.client("teacher") as client:
        assert (
            await client.put("/api/v1/languages/en/texts", json={"text": "Home", "forms": ["x"]})
        ).status_code == 403
    async with site.client("teacher", by="cookie") as client:
        for path in ("/languages", "/languages/km", "/languages/km/po", "/languages/km/text?text=Home"):
            assert (await client.get(path)).status_code == 403


async def test_a_catalogue_goes_out_and_comes_back_the_same(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        whole = (await client.get("/languages/km/po")).content
        catalogue = read_po(BytesIO(whole), locale="km", abort_invalid=True)
        assert len([each for each in catalogue if each.id]) == len(LANGUAGES["km"].texts())
        page = await client.get("/languages/km")
        token = form_at(page, "/languages/km/po").fields
        file = {"file": ("km.po", whole, "text/x-gettext-translation")}
        back = await client.post("/languages/km/po", data=token, files=file)
        assert back.status_code == 303, back.text
        assert (await client.get("/api/v1/languages")).json()["languages"][1][
            "translated"
        ] == 0  # nothing is another
        changed = re.sub(rb'(msgid "Home"\nmsgstr ")[^"]*', rb"\1another", whole)
        assert changed != whole
        file = {"file": ("km.po", changed, "text/x-gettext-translation")}
        assert (
            await client.post("/languages/km/po", data={**token, "write_id": ""}, files=file)
        ).status_code == 303
        assert (await client.get("/api/v1/languages")).json()["languages"][1]["translated"] >= 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Please fill this in"),
        (b"\xff\xfe not text", "no .po file"),
        (b"hello\n", "no .po file"),
        (b'msgid "{n} tested"\nmsgstr "{n.__class__}"\n', "In braces only these"),
        (b'msgid "Home"\nmsgstr "<b>x</b>"\n', "No markup"),
    ],
)
async def test_a_file_is_taken_whole_or_not_at_all(shared: Served, content: bytes, said: str) -> None:
    good = b'msgid "Schools"\nmsgstr "another"\n\n' if content else b""
    async with shared.client("coordinator", by="cookie") as client:
        sent = await _sent(client, good + content)
        assert sent.status_code == 422, sent.status_code
        assert said in sent.text
        assert (await client.get("/api/v1/languages")).json()["languages"][1]["translated"] == 0


async def test_a_language_of_one_form_takes_one(site: Served) -> None:
    one = b'msgid "{n} child"\nmsgid_plural "{n} children"\nmsgstr[0] "x"\n'
    async with site.client("coordinator", by="cookie") as client:
        assert (await _sent(client, one)).status_code == 303


async def _sent(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    page = await client.get("/languages/km")
    token = form_at(page, "/languages/km/po").fields
    file = {"file": ("km.po", content, "text/plain")}
    return await client.post("/languages/km/po", data=token, files=file)


async def test_a_language_that_is_no_longer_offered_lets_its_readers_read_on(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        await offer(client, "hi")
        async with site.client("teacher", by="cookie") as teacher:
            await teacher.post("/language", data={"code": "hi", "csrf_token": "csrf"})
            assert 'lang="hi"' in (await teacher.get("/")).text
            page = await client.get("/languages")
            assert (await send(client, page, "/languages/hi")).status_code == 303
            read_on = await teacher.get("/", headers={"accept-language": "km"})
            assert '<html lang="km"' in read_on.text
        refused = await client.patch(
            f"/api/v1/people/{site.cast.teacher.person_id}", json={"version": 2, "language": "th"}
        )
        assert refused.status_code in (403, 422)


def texts_of(page: str) -> str:
    """What of a page people read."""
    page = re.sub(r"<(script|style|code|textarea)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"<[^>]*>|&[#\w]+;", " ", page)


async def test_digits_are_in_the_readers_habit_and_the_same_everywhere_on_a_page(site: Served) -> None:
    school = site.cast.school_a
    async with site.client("teacher", by="cookie") as client:
        await client.post("/language", data={"code": "km", "csrf_token": "csrf"})
        account = await client.get("/account")
        assert (await send(client, account, "/account/digits", has_own_digits="true")).status_code == 303
        for path in ("/", "/account", "/students", f"/schools/{school}", "/figures", "/rounds", "/schools"):
            page = (await client.get(path)).text
            assert not re.search("[0-9]", texts_of(page)), path
            assert re.search("[០-៩]", texts_of(page)), path
        assert "២៣" in (await client.get("/rounds")).text or "៣០" in (await client.get("/rounds")).text
        account = await client.get("/account")
        assert (await send(client, account, "/account/digits", has_own_digits="false")).status_code == 303
        assert not re.search("[០-៩]", texts_of((await client.get("/students")).text))
    async with site.client("teacher") as client:
        assert (await client.get("/api/v1/pack")).json()["has_own_digits"] is False


async def test_days_are_written_by_the_calendar_that_was_chosen(site: Served) -> None:
    async with site.client("coordinator", by="cookie") as client:
        page = await client.get("/settings")
        assert "2026" in (await client.get("/rounds")).text
        assert (await send(client, page, "/settings/calendar", calendar="buddhist")).status_code == 303
        rounds = (await client.get("/rounds")).text
        assert "30 Nov 2569 BE" in rounds
        phone = (await client.get("/phone/en")).text
        assert '"later_years":543' in phone
        await client.post("/language", data={"code": "km", "csrf_token": "csrf"})
        assert "ព.ស. 2569" in (await client.get("/rounds")).text
    async with site.client("coordinator") as client:
        told = (await client.get(f"/api/v1/rounds/{site.cast.round}")).json()
        assert told["ends_on"] == "2026-11-30"
    async with site.client("teacher") as client:
        assert (
            await client.put("/api/v1/settings/calendar", json={"calendar": "gregorian"})
        ).status_code == 403
