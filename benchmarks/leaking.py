"""`rightlevel` with a planted leak: requests leave some bytes behind. Shows that the measurement would see one.

LEAK_BYTES says how many, LEAK_PATH whose path begins with what (every request's, if not given).
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

from flatwater.asgi import ContractApp
from rightlevel.commands import main

LEAK_BYTES = int(os.environ.get("LEAK_BYTES", "100"))
LEAK_PATH = os.environ.get("LEAK_PATH", "/")
BLOCKS_PATH = "/leaking/blocks"
"""Where this program tells how many blocks it holds, for naming the endpoint."""
EMPTY_BYTES = sys.getsizeof(b"")
_kept: list[bytes] = []
_serve = ContractApp.__call__


async def _leaking(self: Any, scope: Any, receive: Any, send: Any) -> None:
    if scope.get("path") == BLOCKS_PATH:
        gc.collect()
        content = str(sys.getallocatedblocks()).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content})
        return
    if scope.get("path", "").startswith(LEAK_PATH):
        _kept.append(bytes(LEAK_BYTES - EMPTY_BYTES))
    await _serve(self, scope, receive, send)


ContractApp.__call__ = _leaking  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
