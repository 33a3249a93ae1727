"""Two small services on pgbench's tables, as one finds them: `fastapi` (SQLAlchemy's defaults, uvicorn) and `django` (CONN_MAX_AGE, gunicorn's threads).

python healthy_services.py fastapi|django        prints its address once it listens; the database by PGHOST, PGPORT, PGUSER, PGDATABASE
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

ONE = "select aid, abalance from pgbench_accounts where aid = {}"
PAY = "update pgbench_accounts set abalance = abalance + 1 where aid = {}"


def fastapi_service() -> None:
    import uvicorn
    from fastapi import Depends, FastAPI
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

    place = f"host={os.environ['PGHOST']}&port={os.environ['PGPORT']}&application_name=shop"
    engine = create_async_engine(
        f"postgresql+psycopg://{os.environ['PGUSER']}@/{os.environ['PGDATABASE']}?{place}"
    )
    sessions = async_sessionmaker(engine)
    app = FastAPI()

    async def session() -> Any:
        async with sessions() as opened:
            yield opened

    @app.get("/accounts/{number}")
    async def account(number: int, session: AsyncSession = Depends(session)) -> list[int]:  # noqa: B008  FastAPI's way
        return [*(await session.execute(text(ONE.format(":n")), {"n": number})).one()]

    @app.post("/accounts/{number}/pay")
    async def pay(number: int, session: AsyncSession = Depends(session)) -> bool:  # noqa: B008  FastAPI's way
        await session.execute(text(PAY.format(":n")), {"n": number})
        await session.commit()
        return True

    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])


def django_service() -> None:
    import django
    from django.conf import settings

    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
        "CONN_MAX_AGE": 60,
        "OPTIONS": {"application_name": "shop"},
    }
    settings.configure(
        ROOT_URLCONF=__name__, SECRET_KEY="none", ALLOWED_HOSTS=["*"], DATABASES={"default": database}
    )
    django.setup()

    from django.core.wsgi import get_wsgi_application
    from django.db import connection, transaction
    from django.http import JsonResponse
    from django.urls import path

    def account(request: Any, number: int) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(ONE.format("%s"), [number])
            return JsonResponse(cursor.fetchone(), safe=False)

    def pay(request: Any, number: int) -> Any:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PAY.format("%s"), [number])
        return JsonResponse({"paid": 1})

    globals()["urlpatterns"] = [
        path("accounts/<int:number>", account),
        path("accounts/<int:number>/pay", pay),
    ]

    from gunicorn.app.base import BaseApplication

    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"

    class Served(BaseApplication):
        """Threads that stay: each keeps its connection, as many as there are threads."""

        def load_config(self) -> None:
            for name, value in {"bind": address, "workers": 1, "threads": 4, "keepalive": 60}.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return get_wsgi_application()

    print(f"http://{address}", flush=True)
    Served().run()


if __name__ == "__main__":
    {"fastapi": fastapi_service, "django": django_service}[sys.argv[1]]()
