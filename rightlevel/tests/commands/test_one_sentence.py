"""Whatever is wrong with how it was started is said in one sentence: no traceback, and never a password."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rightlevel.database.server import existing_server

COMMAND = str(Path(sys.executable).parent / "rightlevel")
SECRET = "topsecret"


def start(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "DATABASE_URL", "RIGHTLEVEL_"))
    }
    return subprocess.run(
        [COMMAND, "serve", "--data", str(folder), *words],
        env=given | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


WRONG: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "too little memory": (("--memory", "1"), {}, "A memory budget of 1 MB can't hold"),
    "no such port": (("--port", "99999"), {}, "99999 is not in the range"),
    "no such port by its variable": ((), {"RIGHTLEVEL_PORT": "99999"}, "There is no port 99999"),
    "no address of this machine": (("--host", "nonsense.invalid"), {}, "is no address of this machine"),
    "another kind of database": (
        (),
        {"DATABASE_URL": f"mysql://u:{SECRET}@h/db"},
        "DATABASE_URL names no database: This needs PostgreSQL, and the connection string is for mysql",
    ),
    "an address that can't be read": (
        (),
        {"DATABASE_URL": f"postgresql://u:{SECRET}@[::1/db"},
        "The connection string can't be read",
    ),
    "nobody there": ((), {"DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/db"}, "can't be reached"),
    "a proxy that is none": ((), {"RIGHTLEVEL_TRUSTED_PROXIES": "not-a-network"}, "not-a-network"),
    "nonsense for a setting": ((), {"RIGHTLEVEL_POOL_CONNECTIONS": "many"}, "A setting has the wrong form"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence_without_a_traceback_or_a_password(what: str, tmp_path: Path) -> None:
    words, environment, sentence = WRONG[what]
    done = start(tmp_path, *words, **environment)
    said = done.stdout + done.stderr
    assert done.returncode in (1, 2)
    assert sentence in said
    assert "Traceback" not in said
    assert SECRET not in said


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = start(tmp_path, "--port", str(port))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"Port {port} of 127.0.0.1 can't be used: Address already in use" in done.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "RIGHTLEVEL_OWNER_DATABASE_URL"])
def test_an_address_is_read_as_it_is_written_for_other_programs(name: str) -> None:
    named = {"DATABASE_URL": "postgres://u@h/service", name: "postgresql+asyncpg://u@h/db"}
    found = existing_server(named)
    assert found is not None
    assert found.conninfo == "postgresql://u@h/db"
