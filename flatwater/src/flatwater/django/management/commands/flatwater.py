"""`manage.py flatwater doctor` and `manage.py flatwater audit`: the commands, for this project's own database and application."""

from __future__ import annotations

import sys
from typing import Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from psycopg.conninfo import make_conninfo

from flatwater.commands import main


class Command(BaseCommand):
    help = "Diagnose this project's PostgreSQL (doctor, watch), or find in its source what will not stay flat (audit)."

    def run_from_argv(self, argv: list[str]) -> None:
        """Hands everything after the command's name to flatwater's own commands, whose options these are."""
        words = argv[2:]
        if not words or words[0] not in {"doctor", "watch", "audit"}:
            self.stderr.write(
                "Say what: manage.py flatwater doctor | watch | audit [options]; --help after it lists them."
            )
            sys.exit(2)
        main(args=[words[0], *self._given(words[0]), *words[1:]], prog_name="manage.py flatwater")

    def handle(self, *args: Any, **options: Any) -> None:
        """Never reached from the command line."""
        raise CommandError("call it from the command line: manage.py flatwater doctor")

    def _given(self, command: str) -> list[str]:
        if command == "audit":
            target = getattr(settings, "ASGI_APPLICATION", None) or settings.WSGI_APPLICATION
            module, _, name = target.rpartition(".")
            return [f"{module}:{name}"]
        connection: Any = cast("Any", connections["default"])
        if connection.vendor != "postgresql":
            self.stderr.write("The default database of this project is no PostgreSQL.")
            sys.exit(3)
        given: dict[str, Any] = connection.get_connection_params()
        known = {"dbname", "user", "password", "host", "port", "sslmode", "service", "passfile"}
        return [make_conninfo(**{name: value for name, value in given.items() if name in known and value})]
