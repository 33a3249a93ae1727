"""FastAPI and Litestar are driven from the document that they serve themselves, and their handlers are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar, get
from litestar.params import FromPath, FromQuery
from starlette.middleware.gzip import GZipMiddleware

from flatwater.audit.dynamic import drive_application

pytestmark = pytest.mark.anyio

KEPT: list[bytes] = []


def fastapi() -> Any:
    app = FastAPI()

    @app.get("/kept")
    async def keep(words: str = "") -> int:
        KEPT.append(words.encode() + bytes(27))
        return 1

    @app.get("/flat/{number}")
    async def stay(number: int) -> int:
        return number

    return GZipMiddleware(app)


def litestar() -> Any:
    @get("/kept")
    async def keep(words: FromQuery[str] = "") -> int:
        KEPT.append(words.encode() + bytes(27))
        return 1

    @get("/flat/{number:int}")
    async def stay(number: FromPath[int]) -> int:
        return number

    return Litestar([keep, stay], logging_config=None)


@pytest.mark.parametrize("made", [fastapi, litestar])
async def test_a_leak_is_named_and_its_neighbour_is_not(made: Any) -> None:
    found = await drive_application(made(), calls=40, root=Path(__file__).parent)
    assert [(each.route, each.rule) for each in found.findings] == [("GET /kept", "growing-container")]
    assert found.findings[0].where.path == "test_frameworks.py"
    assert {each.route: each.verdict for each in found.readings} == {
        "GET /kept": "grows",
        "GET /flat/{number}": "flat",
    }
    assert {each.where.symbol.rpartition(".")[2] for each in found.readings} == {"keep", "stay"}
