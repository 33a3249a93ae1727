"""Password hashing behind one slot or two, so that forty sign-ins at once cost 19 or 38 MiB and not 760.

*Source*: OWASP password storage cheat sheet (Argon2id, 19 MiB, t = 2, p = 1); at the library's 64 MiB default eight
sign-ins at once were measured at 526 MB.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from flatwater.errors import TooMany

T = TypeVar("T")

SLOTS = 2
MAX_WAITING = 100
MEMORY_KIB = 19 * 1024

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""No letters that look like digits: a generated password is read aloud and typed by hand."""
CODE_CHARS = 8


def generate_password() -> str:
    """Four groups of four, 79 bits; shown once and stored nowhere."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def generate_code() -> str:
    """A short code to be read aloud and typed once: eight letters and digits, 39 bits, like `abcd-ef23`."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARS))
    return f"{letters[:4]}-{letters[4:]}"


def typed_code(text: str) -> str:
    """A code as it was made, however it was typed; what can't be one gives an empty text."""
    letters = "".join(each for each in text.lower()[:60] if each in ALPHABET)
    return f"{letters[:4]}-{letters[4:]}" if len(letters) == CODE_CHARS else ""


class PasswordHasher:
    """Hashes and verifies, so many at a time; the hundred-and-first waiter is refused with TooMany."""

    def __init__(self, slots: int = SLOTS) -> None:
        self._argon2 = Argon2(time_cost=2, memory_cost=MEMORY_KIB, parallelism=1, type=Type.ID)
        self._slots = ThreadPoolExecutor(max_workers=slots, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash. *Cost*: about 25 ms of a core and 19 MiB while it runs."""
        return await self._run(partial(self._argon2.hash, password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed; without a hash it takes as long, and is False."""
        return await self._run(partial(self._verify, password_hash, password))

    def _verify(self, password_hash: str | None, password: str) -> bool:
        if self._nobody is None:
            self._nobody = self._argon2.hash(secrets.token_hex(16))
        try:
            return self._argon2.verify(password_hash or self._nobody, password) and password_hash is not None
        except (VerifyMismatchError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise TooMany(retry_after_s=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._slots, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._slots.shutdown(wait=True, cancel_futures=True)
