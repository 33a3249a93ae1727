"""Strangers: counted by where they come from, known before a large body is read, and bounded all together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from serving import OneDatabase, Served, serving

from flatwater import inputs
from rightlevel.web.application import STRANGERS

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fresh(new_database: Callable[[], OneDatabase], tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(new_database(), tmp_path, trusted_proxies=("127.0.0.1",)) as opened:
        yield opened


async def made_up(
    served: Served, number: int, address: str, *, by: str = "bearer", path: str = "/api/v1/me"
) -> int:
    headers = {"x-forwarded-for": address}
    if by == "bearer":
        headers["authorization"] = f"Bearer rl_made_up_{number}"
    else:
        headers["cookie"] = f"rl_session=made-up-{number}"
    async with served.client() as client:
        return (await client.get(path, headers=headers)).status_code


@pytest.mark.parametrize("by", ["bearer", "cookie"])
async def test_a_made_up_token_for_each_request_buys_nothing(fresh: Served, by: str) -> None:
    statuses = [await made_up(fresh, number, "198.51.100.7", by=by) for number in range(STRANGERS.burst + 60)]
    assert 429 in statuses
    assert statuses.count(401) <= STRANGERS.burst + 20
    assert await made_up(fresh, 1, "198.51.100.8", by=by) == 401, "another address has its own allowance"


async def test_who_is_known_goes_on_behind_the_same_address(fresh: Served) -> None:
    async with fresh.client("teacher") as client:
        client.headers["x-forwarded-for"] = "198.51.100.7"
        assert (await client.get("/api/v1/me")).status_code == 200
        for number in range(STRANGERS.burst + 60):
            await made_up(fresh, number, "198.51.100.7")
        assert await made_up(fresh, 9_999, "198.51.100.7") == 429
        assert (await client.get("/api/v1/me")).status_code == 200


async def test_only_a_named_proxy_is_believed_and_the_audit_shows_the_persons_address(fresh: Served) -> None:
    async with fresh.client() as client:
        await client.post(
            "/sign-in",
            data={"username": "nobody", "password": "x"},
            headers={"x-forwarded-for": "203.0.113.77"},
        )
    async with fresh.client("admin") as client:
        rows = (await client.get("/api/v1/audit", params={"outcome": "denied", "action": "sign_in"})).json()[
            "items"
        ]
    assert rows[0]["address"] == "203.0.113.77"


class Dripping:
    """A body of many pieces, which counts how many were asked for."""

    def __init__(self, pieces: int) -> None:
        self.left, self.read = pieces, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left:
            self.left -= 1
            self.read += 1
            yield b"x" * 65_536


HEAD = {"content-type": "multipart/form-data; boundary=line"}


@pytest.mark.parametrize("token", [None, "rl_made_up"])
async def test_a_strangers_upload_is_not_read(fresh: Served, token: str | None) -> None:
    body = Dripping(400)
    headers = HEAD | ({"authorization": f"Bearer {token}"} if token else {})
    async with fresh.client() as client:
        answer = await client.post("/api/v1/imports", content=body, headers=headers)
    assert answer.status_code == 401
    assert body.read <= 1
    assert inputs.SPOOLS.held_bytes == 0


async def test_who_may_not_import_is_told_before_the_file_is_read(fresh: Served) -> None:
    body = Dripping(400)
    async with fresh.client("teacher") as client:
        answer = await client.post("/api/v1/imports", content=body, headers=HEAD)
    assert (answer.status_code, answer.headers["connection"]) == (403, "close")
    assert body.read <= 1


async def test_all_uploads_together_have_a_ceiling_and_give_their_room_back(
    fresh: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = {"file": ("x.csv", b"a,b\n" * 50_000, "text/csv")}
    async with fresh.client("coordinator") as client:
        monkeypatch.setattr(inputs.SPOOLS, "ceiling_bytes", 100_000)
        full = await client.post("/api/v1/imports", data={"kind": "students"}, files=file)
        assert (full.status_code, full.json()["code"]) == (503, "spools_full")
        monkeypatch.undo()
        assert (
            await client.post("/api/v1/imports", data={"kind": "students"}, files=file)
        ).status_code == 202
    assert inputs.SPOOLS.held_bytes == 0
