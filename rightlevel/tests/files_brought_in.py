"""Files that are brought in over HTTP, as a program does it: sent, waited for, undone, and what is told of them."""

from __future__ import annotations

from typing import Any

import anyio
import httpx


async def ended(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    """An import, once it has ended."""
    with anyio.fail_after(30):
        while (run := (await client.get(f"/api/v1/imports/{run_id}")).json())["ended_at"] is None:
            await anyio.sleep(0.02)
    return run


async def send(
    client: httpx.AsyncClient, kind: str, text: str | bytes, *, dry: bool = False, **fields: str
) -> dict[str, Any]:
    """What became of a file of this kind."""
    data = text.encode() if isinstance(text, str) else text
    answer = await client.post(
        "/api/v1/imports",
        data={"kind": kind, "dry_run": str(dry).lower()} | fields,
        files={"file": ("in.csv", data, "text/csv")},
    )
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"])


async def undo(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[str, Any]:
    """What became of the undoing of an import."""
    answer = await client.post(f"/api/v1/imports/{run['id']}/undo")
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"])


async def faults_of(client: httpx.AsyncClient, run: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Row, column and rule of each fault."""
    found = (await client.get(f"/api/v1/imports/{run['id']}/faults")).json()["items"]
    return [(each["row_number"], each["column_name"], each["rule"]) for each in found]
