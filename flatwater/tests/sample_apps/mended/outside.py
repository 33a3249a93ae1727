# ruff: noqa: B008, I001
"""Answers with a ceiling, and waits with an end. Read by the audit, never run."""

import httpx
import requests
from fastapi import APIRouter, Depends

from database import open_connection

router = APIRouter(prefix="/outside")
client = httpx.AsyncClient(timeout=5)


@router.get("/no-limit")
def no_limit(after: int = 0, connection=Depends(open_connection)):
    page = connection.execute("SELECT id, name FROM child WHERE id > %s ORDER BY id LIMIT 100", [after])
    return [{"id": row[0], "name": row[1]} for row in page.fetchall()]


@router.get("/no-timeout")
def no_timeout():
    return requests.get("https://rate.example", timeout=3).json()


@router.get("/client-per-request")
async def client_per_request():
    return (await client.get("https://weather.example")).json()
