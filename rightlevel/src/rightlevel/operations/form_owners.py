"""For whom a page's forms were made, signed, so that what was typed goes back to that person and to nobody else."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from flatwater.pool import Database
from rightlevel.operations.signing_key import signing_key

NAME: Final = "form_owner"
SIGNATURE_CHARS: Final = 32
MOST_CHARS: Final = 60


class FormOwners:
    """Marks forms with the person they were made for. A mark lets nobody in; it only says whose something is."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "FormOwners(...)"

    def mark(self, person_id: int) -> str:
        """What a form of this person carries. *Cost*: one HMAC, about 2 µs."""
        return f"{person_id}.{self._sign(person_id)}"

    def person(self, mark: str) -> int | None:
        """The person for whom a form was made; None for what we did not sign."""
        number, _, signature = mark.partition(".")
        if len(mark) > MOST_CHARS or not (mark.isascii() and number.isdigit()):
            return None
        return int(number) if hmac.compare_digest(signature, self._sign(int(number))) else None

    def _sign(self, person_id: int) -> str:
        return hmac.new(self._key, f"form of {person_id}".encode(), sha256).hexdigest()[:SIGNATURE_CHARS]


async def open_form_owners(database: Database) -> FormOwners:
    """The deployment's own, with a key made at its first start and kept in its database."""
    return FormOwners(await signing_key(database, NAME))
