"""A program in a process of its own: what it is told and says, and that it is gone whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from flatwater.child_process import Ended, run_program

pytestmark = pytest.mark.anyio

ECHO = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"
SLEEPS = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"


async def test_what_it_is_told_it_reads_and_what_it_says_comes_back() -> None:
    content = os.urandom(300_000)
    ended = await run_program("-c", ECHO, content=content, within_s=20, most_bytes=300_000)
    assert ended == Ended(0, content[::-1])


async def test_more_than_it_may_say_is_let_go() -> None:
    ended = await run_program("-c", ECHO, content=b"x" * 300_000, within_s=20, most_bytes=299_999)
    assert ended == Ended(0, None)


async def test_how_it_failed_is_told_and_what_it_did_not_read_is_no_fault_of_ours() -> None:
    ended = await run_program(
        "-c",
        "import sys; sys.exit('no such thing')",
        content=b"x" * 2_000_000,
        within_s=20,
        most_bytes=10,
        keeps_complaint=True,
    )
    assert (ended.status, ended.said, ended.complaint.strip()) == (1, b"", "no such thing")


async def test_nothing_of_the_folder_it_runs_in_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "statistics.py").write_text("print('from here')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ended = await run_program("-c", "import statistics", within_s=20, most_bytes=100)
    assert ended == Ended(0, b"")


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_it_is_gone_after_its_time_and_when_nobody_waits_any_more(
    tmp_path: Path, *, is_cancelled: bool
) -> None:
    told = tmp_path / "pid"
    within_s = 30.0 if is_cancelled else 1.0
    work = asyncio.create_task(run_program("-c", SLEEPS, str(told), within_s=within_s, most_bytes=10))
    while not (told.exists() and told.read_text()):
        await asyncio.sleep(0.01)
    if is_cancelled:
        work.cancel()
    with pytest.raises((TimeoutError, asyncio.CancelledError)):
        await work
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
        pytest.fail("it is still there")
