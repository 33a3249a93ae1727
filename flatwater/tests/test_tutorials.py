"""Each tutorial is one program: it runs as it is printed, and prints what stands below it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from running_server import RunningServer

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("asyncpg", "django", "fastapi", "flask")


def blocks_of(page: str, kind: str) -> str:
    return "\n".join(re.findall(rf"```{kind}\n(.*?)```", (DOCS / f"{page}.md").read_text(), re.DOTALL))


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_runs_as_it_is_printed(server: RunningServer, page: str, tmp_path: Path) -> None:
    (tmp_path / "notes.py").write_text(blocks_of(page, "python"))
    host = conninfo_to_dict(server.conninfo)["host"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "notes.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": f"postgresql://postgres@/postgres?host={host}",
            "SQLALCHEMY_URL": f"postgresql+asyncpg://postgres@/postgres?host={host}",
            "PGHOST": str(host),
            "PGUSER": "postgres",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == blocks_of(page, "text")
    if page in {"django", "fastapi"}:
        assert "one statement 6 times from notes.py" in done.stderr.replace(
            f"{tmp_path.parts[-2]}/{tmp_path.name}/", ""
        )
