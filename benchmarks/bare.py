"""The floor for reading over HTTP: an ASGI handler that runs the same SQL and returns its bytes with nothing around it.

`python -m benchmarks.bare PORT SPEC` serves it; SPEC is a JSON file with the connection string and the statements.
No routing, no types, no limits, no deadline, no errors: what is left is uvicorn, psycopg and PostgreSQL.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg_pool
import uvicorn


def bare_app(conninfo: str, statements: list[tuple[str, dict[str, Any]]]) -> Any:
    pool = psycopg_pool.AsyncConnectionPool(
        conninfo, kwargs={"autocommit": True}, min_size=3, max_size=3, open=False, max_waiting=64
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await pool.open()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await pool.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        async with pool.connection() as connection:
            for text, parameters in statements:
                cursor = await connection.execute(text, parameters)
                rows = await cursor.fetchall()
        content = json.dumps(rows, default=str, ensure_ascii=False).encode() if len(rows) != 1 else rows[0][0]
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(content)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})

    return app


def main() -> None:
    spec = json.loads(Path(sys.argv[2]).read_text())
    statements = [
        (
            text,
            {
                name: bytes.fromhex(value[4:])
                if isinstance(value, str) and value.startswith("hex:")
                else value
                for name, value in parameters.items()
            },
        )
        for text, parameters in spec["statements"]
    ]
    uvicorn.run(
        bare_app(spec["conninfo"], statements),
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
        lifespan="on",
    )


if __name__ == "__main__":
    main()
