"""Limits of time for sessions of any driver: set when a connection is made, and read back, so that it is known that the server holds them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_READ = "(select setting from pg_settings where name = '{name}')"


class LimitsNotHeld(Exception):
    """The server did not take over the limits of a session."""


class SessionLimits(msgspec.Struct, frozen=True):
    """What one session may take. Times in seconds; None leaves the server's own."""

    statement_s: float | None = 30.0
    lock_s: float | None = 5.0
    idle_in_transaction_s: float | None = 30.0

    def settings(self) -> dict[str, str]:
        """By the server's names, as milliseconds."""
        named = {
            "statement_timeout": self.statement_s,
            "lock_timeout": self.lock_s,
            "idle_in_transaction_session_timeout": self.idle_in_transaction_s,
        }
        return {name: f"{round(value * 1000)}ms" for name, value in named.items() if value is not None}

    def statement(self) -> str:
        """Sets all of them for the session, and gives what the server holds then, in the same order. *Cost*: one round trip."""
        sets = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in self.settings().items())
        reads = ", ".join(_READ.format(name=name) for name in self.settings())
        return f"with done as materialized (select {sets}) select {reads} from done"  # noqa: S608  names and numbers of our own

    def verify(self, held: Mapping[str, str]) -> None:
        """Passes when the server holds all of them. *Errors*: LimitsNotHeld."""
        wrong = [
            f"{name} is {held.get(name)} ms, not {value}"
            for name, value in self.settings().items()
            if f"{held.get(name)}ms" != value
        ]
        if wrong:
            raise LimitsNotHeld(f"The server does not hold a session's limits: {'; '.join(wrong)}.")
