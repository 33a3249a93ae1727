"""`rightlevel` with a planted leak: every request leaves 100 bytes behind. Shows that the measurement would see one."""

from __future__ import annotations

import sys
from typing import Any

from flatwater.asgi import ContractApp
from rightlevel.commands import main

LEAK_BYTES = 100
EMPTY_BYTES = sys.getsizeof(b"")
_kept: list[bytes] = []
_serve = ContractApp.__call__


async def _leaking(self: Any, scope: Any, receive: Any, send: Any) -> None:
    _kept.append(bytes(LEAK_BYTES - EMPTY_BYTES))
    await _serve(self, scope, receive, send)


ContractApp.__call__ = _leaking  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
