"""Short-lived links to photos that only this deployment can have made, each for one person."""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256
from typing import Final

from rightlevel.programme.photos.model import LINK_LIFE_S

MARK_CHARS: Final = 43


class PhotoLinks:
    """Makes and knows links."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "PhotoLinks(...)"

    def link(self, photo_id: str, person_id: int, now: datetime) -> str:
        """The address of a photo for one person, good for a quarter of an hour at least; the same within that time, so that it is kept."""
        until = (int(now.timestamp() / LINK_LIFE_S) + 2) * int(LINK_LIFE_S)
        return f"/photos/{photo_id}?until={until}&mark={self._mark(photo_id, person_id, until)}"

    def is_good(self, photo_id: str, person_id: int, until: int, mark: str, now: datetime) -> bool:
        """Whether we made this link for this person and it has not run out."""
        if not mark.isascii() or not now.timestamp() < until <= now.timestamp() + 2 * LINK_LIFE_S:
            return False
        return hmac.compare_digest(mark, self._mark(photo_id, person_id, until))

    def _mark(self, photo_id: str, person_id: int, until: int) -> str:
        return hmac.new(self._key, f"photo {photo_id} {person_id} {until}".encode(), sha256).hexdigest()[
            :MARK_CHARS
        ]
