# ruff: noqa: B008, I001, S113
"""What others decide: how long an answer is, and how long somebody is waited for. Read by the audit, never run."""

import httpx
import requests
from fastapi import APIRouter, Depends

from database import open_connection

router = APIRouter(prefix="/outside")


@router.get("/no-limit")
def no_limit(connection=Depends(open_connection)):
    return [{"name": row[0]} for row in connection.execute("SELECT name FROM child").fetchall()]


@router.get("/no-timeout")
def no_timeout():
    return requests.get("https://rate.example").json()


@router.get("/client-per-request")
async def client_per_request():
    async with httpx.AsyncClient() as client:
        return (await client.get("https://weather.example")).json()
