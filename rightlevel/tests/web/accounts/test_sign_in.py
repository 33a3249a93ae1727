"""Signing in over HTTP as a browser does: in two steps, with a one-time code, by name and PIN; and asking to join."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable
from html import unescape
from pathlib import Path

import httpx
import pytest
from people import NOW
from serving import OneDatabase, Served, serving

from flatwater.queries import read_queries
from rightlevel.programme.accounts import PasswordHasher, totp

pytestmark = pytest.mark.anyio
PASSWORD = "reading-under-the-mango-tree"

QUERIES = read_queries(
    """
-- name: give_password
-- Gives everybody a password.
update person set password_hash = %(hash)s
""",
    origin="test_sign_in_steps.py",
)


@pytest.fixture(scope="module")
async def scene(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    passwords = PasswordHasher()
    password_hash = await passwords.hash(PASSWORD)
    passwords.close()
    async with serving(new_database(), tmp_path_factory.mktemp("steps")) as opened:
        await opened.database.run(
            lambda session: session.execute(QUERIES["give_password"], {"hash": password_hash}), deadline_s=5
        )
        yield opened


async def sign_in(
    client: httpx.AsyncClient, name: str, password: str = PASSWORD, **more: str
) -> httpx.Response:
    return await client.post("/sign-in", data={"username": name, "password": password, **more})


def csrf(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found is not None, page.text[:500]
    return {"csrf_token": found[1]}


def code_of(secret: str) -> str:
    key = base64.b32decode(secret.replace(" ", ""))
    return totp.code_at(key, totp.step_at(NOW.timestamp()))


async def test_an_admin_enrols_at_the_first_sign_in_and_needs_a_code_at_the_second(scene: Served) -> None:
    async with scene.client() as client:
        first = await sign_in(client, "admin")
        assert (first.status_code, first.headers["location"]) == (303, "/sign-in/step")
        for path in ("/", "/schools", "/people", "/account", "/account/tokens", "/audit"):
            held = await client.get(path)
            assert (held.status_code, held.headers["location"]) == (303, "/sign-in/step"), path
        assert (await client.get("/api/v1/schools")).status_code == 403
        page = await client.get("/account/second-factor")
        assert 'href="/schools"' not in page.text
        begun = await client.post("/account/second-factor", data=csrf(page))
        assert "<svg" in begun.text
        secret = re.search(r'<code class="secret" dir="ltr">([A-Z2-7 ]+)</code>', begun.text)
        assert secret is not None
        wrong = await client.post("/account/second-factor/confirm", data={**csrf(begun), "code": "000000"})
        assert wrong.status_code == 422
        assert secret[1] in wrong.text, "the same secret is shown again, not another"
        done = await client.post(
            "/account/second-factor/confirm", data={**csrf(begun), "code": code_of(secret[1])}
        )
        codes = re.findall(r'<code class="secret" dir="ltr">([a-z0-9-]+)</code>', done.text)
        assert len(codes) == 10
        assert (await client.get("/schools")).status_code == 200

    async with scene.client() as client:
        second = await sign_in(client, "admin", next="/schools")
        assert second.headers["location"] == "/sign-in/step?next=%2Fschools"
        assert (await client.get("/schools")).headers["location"] == "/sign-in/step"
        step = await client.get("/sign-in/step?next=/schools")
        replayed = await client.post("/sign-in/step", data={**csrf(step), "code": code_of(secret[1])})
        assert replayed.status_code == 403
        assert "was used already" in replayed.text
        whole = await client.post("/sign-in/step", data={**csrf(step), "code": codes[0], "next": "/schools"})
        assert (whole.status_code, whole.headers["location"]) == (303, "/schools")
        assert (await client.get("/schools")).status_code == 200


async def test_a_half_open_sign_in_changes_only_the_language_and_can_be_left(scene: Served) -> None:
    async with scene.client() as client:
        await sign_in(client, "admin")
        page = await client.get("/account/second-factor")
        page = await client.get("/sign-in/step") if page.status_code == 303 else page
        language = await client.post("/language", data={**csrf(page), "code": "km", "next": "/sign-in/step"})
        assert language.status_code == 303
        out = await client.post("/sign-out", data=csrf(page))
        assert (out.status_code, out.headers["location"]) == (303, "/sign-in")


async def test_a_reset_code_chooses_a_password_on_a_page(scene: Served) -> None:
    person = scene.cast.viewer.person_id
    async with scene.client("coordinator", by="cookie") as client:
        page = await client.post(f"/people/{person}/password", data={"csrf_token": "csrf"})
    code = re.search(r'<code class="secret" id="code" dir="ltr">([^<]+)</code>', page.text)
    assert code is not None
    async with scene.client() as client:
        assert (await sign_in(client, "viewer")).status_code == 403
        blank = await client.post("/code", data={"username": "viewer", "password": "another long password"})
        assert blank.status_code == 422
        form = {"username": "viewer", "code": code[1], "password": "another long password"}
        short = await client.post("/code", data={**form, "password": "short"})
        assert short.status_code == 422
        assert f'value="{code[1]}"' in short.text
        assert 'value="short"' not in short.text
        chosen = await client.post("/code", data=form)
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/sign-in")
        again = await client.post("/code", data=form)
        assert again.status_code == 403
        assert code[1] not in again.text
        assert (await sign_in(client, "viewer", "another long password")).headers["location"] == "/"


async def test_a_device_is_linked_by_code_and_lists_names_only_then(scene: Served) -> None:
    async with scene.client("teacher", by="cookie") as client:
        assert (
            await client.post("/account/pin", data={"csrf_token": "csrf", "pin": "123456"})
        ).status_code == 422
        assert (
            await client.post("/account/pin", data={"csrf_token": "csrf", "pin": "274951"})
        ).status_code == 303
        page = await client.post(f"/schools/{scene.cast.school_a}/devices", data={"csrf_token": "csrf"})
        other = await client.post(f"/schools/{scene.cast.school_b}/devices", data={"csrf_token": "csrf"})
        assert other.status_code == 404
    assert "<svg" in page.text
    code = re.search(r'<code class="secret" id="code" dir="ltr">([^<]+)</code>', page.text)
    assert code is not None
    teacher = scene.cast.teacher.person_id
    async with scene.client() as client:
        before = await client.get("/sign-in/school")
        assert (before.status_code, before.headers["location"]) == (303, "/link-device")
        assert "Teacher" not in (await client.get(f"/sign-in/school?person={teacher}")).text
        assert (
            await client.post("/sign-in/school", data={"person": teacher, "pin": "274951"})
        ).status_code == 403
        linked = await client.post("/link-device", data={"code": code[1].upper()})
        cookie = linked.headers["set-cookie"]
        assert "rl_school_device=" in cookie
        assert "HttpOnly" in cookie
        assert (await client.post("/link-device", data={"code": code[1]})).status_code == 403
        names = await client.get("/sign-in/school")
        assert f'href="/sign-in/school?person={teacher}"' in names.text
        assert "Mentor" not in names.text, "who has no PIN is not listed"
        wrong = await client.post("/sign-in/school", data={"person": teacher, "pin": "111222"})
        assert wrong.status_code == 403
        assert 'name="pin"' in wrong.text
        entered = await client.post("/sign-in/school", data={"person": teacher, "pin": "274951"})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        account = await client.get("/account")
        assert "By PIN" in account.text
        assert "/account/tokens" not in account.text


async def test_anybody_asks_to_join_and_a_coordinator_approves(scene: Served) -> None:
    wish = {"name": "សុខ ដារ៉ា", "contact": "012 345 678", "role": "teacher", "school_wished": "Alpha"}
    async with scene.client() as client:
        assert (await client.post("/join", data={**wish, "role": "admin"})).status_code == 422
        sent = await client.post("/join", data=wish)
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in")
    async with scene.client("coordinator", by="cookie") as client:
        found = re.search(r'href="/requests/(\d+)"', (await client.get("/requests")).text)
        assert found is not None
        assert "1 request to join" in (await client.get("/people")).text
        page = await client.get(f"/requests/{found[1]}")
        assert "Alpha School" in page.text
        assert f'<option value="{scene.cast.school_a}" selected>' in page.text
        unclear = (await client.get(f"/requests/{found[1]}", params={"search": "School"})).text
        assert unclear.count("</option>") > 2
        assert "selected" not in unclear
        form = {
            "csrf_token": "csrf",
            "username": "sok.dara",
            "display_name": "សុខ ដារ៉ា",
            "role": "teacher",
            "school_id": str(scene.cast.school_a),
            "subject": "math",
        }
        blank = await client.post(f"/requests/{found[1]}/approve", data={**form, "school_id": ""})
        assert blank.status_code == 422
        made = await client.post(f"/requests/{found[1]}/approve", data=form)
        assert made.status_code == 200
        assert 'id="code"' in made.text
        twice = await client.post(f"/requests/{found[1]}/approve", data={**form, "username": "sok.dara2"})
        assert twice.status_code == 409


async def test_a_stranger_is_told_the_same_of_every_name(scene: Served) -> None:
    async with scene.client() as client:
        for path, form in (
            ("/sign-in", {"password": "wrong on purpose"}),
            ("/code", {"code": "aaaa-aaaa", "password": "another long password"}),
        ):
            told = set()
            for name in ("mentor", "nobody.here"):
                answer = await client.post(path, data={"username": name, **form})
                told.add((answer.status_code, answer.text.replace(name, "")))
            assert len(told) == 1, path


async def test_the_activity_is_saved_as_a_table(scene: Served) -> None:
    async with scene.client("coordinator", by="cookie") as client:
        saved = await client.post("/audit/export", data={"csrf_token": "csrf", "outcome": "denied"})
        assert saved.headers["content-type"].startswith("text/csv")
        assert "attachment" in saved.headers["content-disposition"]
        lines = saved.text.splitlines()
        assert len(lines) > 1
        assert all(",denied," in line for line in lines[1:])
        page = await client.get("/audit", params={"resource": "audit"})
        assert "Export" in page.text
        faulty = await client.get("/audit", params={"from_on": "yesterday"})
        assert faulty.status_code == 422
        assert "yesterday" in unescape(faulty.text)
    async with scene.client("mentor", by="cookie") as client:
        assert (await client.post("/audit/export", data={"csrf_token": "csrf"})).status_code == 403


async def test_no_secret_stands_in_an_address() -> None:
    pages = (Path(__file__).parents[3] / "src/rightlevel/web").rglob("*.py")
    for page in pages:
        assert not re.search(r"\?(code|pin|password|token)=", page.read_text("utf-8")), page
