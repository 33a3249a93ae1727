"""A coroutine run as far as it goes by itself: mostly to its end, and then no cancellation could have come in between."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any


class Rest:
    """What is left of a coroutine that was begun; to be awaited, by any task. *Errors*: whatever it raises."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, None]:
        awaited = self._awaited
        while True:
            sent, thrown = None, None
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001  all of it is the coroutine's to take
                thrown = error
            try:
                awaited = self._coroutine.throw(thrown) if thrown is not None else self._coroutine.send(sent)
            except StopIteration:
                return


def begun(coroutine: Coroutine[Any, Any, Any]) -> Rest | None:
    """Begins a coroutine; None when it ended without having waited for anything, else its rest. *Errors*: whatever it raises until then."""
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return Rest(coroutine, awaited)
