"""`flatwater watch` as over ssh: on a terminal of 80 by 24, left as it was found."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from pathlib import Path
from typing import Any

from running_server import RunningServer

COMMAND = str(Path(sys.executable).parent / "flatwater")
WIDTH, HEIGHT = 80, 24
FRAME_BEGINS = "\x1b[H\x1b[J"
OTHER_SCREEN, SCREEN_BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
PATIENCE_S = 30


def _take_the_terminal() -> None:
    """In the child: the terminal is its own, and Ctrl-C reaches it, also where whoever runs the tests lets interrupts pass by."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program on a terminal of 80 by 24, and what it wrote there."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        self.process = subprocess.Popen(
            [COMMAND, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_take_the_terminal,
            env={**os.environ, "TERM": "vt100"},
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, text: str | None) -> None:
        """Reads until this was written, or with None until the program ended."""
        until = time.monotonic() + PATIENCE_S
        while text is None or text not in self.text:
            assert time.monotonic() < until, self.text
            try:
                piece = os.read(self._ours, 65_536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            self.text += piece.decode("utf-8")

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close(self) -> int:
        self.read_until(None)
        os.close(self._ours)
        return self.process.wait(PATIENCE_S)


def cells(line: str) -> int:
    """How many columns a line takes."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in plain)


def test_two_frames_fit_80_by_24_and_the_screen_comes_back(server: RunningServer, others: Any) -> None:
    table = f'"{"漢字" * 15}"'
    others.onlooker.execute(f"drop table if exists {table}")
    others.onlooker.execute(f"create table {table} (name text primary key)")
    others.forget("shop/holds", f"insert into {table} values ('a')")
    for number in range(14):
        others.begin(f"insert into {table} values ('a')", f"shop/{number}")
    others.wait_until("(select count(*) from pg_locks where not granted) >= 14")
    terminal = Terminal("watch", server.conninfo, "--looks", "2", "--interval", "0.5")
    assert terminal.close() == 0
    assert terminal.text.startswith(OTHER_SCREEN)
    assert terminal.text.rstrip("\r\n").endswith(SCREEN_BACK)
    inside = terminal.text.removeprefix(OTHER_SCREEN).rstrip("\r\n").removesuffix(SCREEN_BACK)
    frames = inside.split(FRAME_BEGINS)[1:]
    assert len(frames) == 2
    for each in frames:
        lines = each.split("\r\n")
        assert lines[0].startswith("flatwater watch  postgres")
        # With a line break after the last of 24 lines the first would scroll away.
        assert lines[-1], each
        assert 20 < len(lines) <= HEIGHT, each
        assert "漢字" in each
        assert max(map(cells, lines)) <= WIDTH, each


def test_control_c_ends_it_and_gives_the_screen_back(server: RunningServer) -> None:
    terminal = Terminal("watch", server.conninfo, "--interval", "30")
    terminal.read_until("connections")
    terminal.type("\x03")
    assert terminal.close() == 0
    assert SCREEN_BACK in terminal.text
    assert "Traceback" not in terminal.text


def test_a_server_that_is_not_there_is_told_on_the_screen_that_stays() -> None:
    terminal = Terminal("watch", "host=127.0.0.1 port=1 dbname=x user=x connect_timeout=2")
    assert terminal.close() == 3
    told = (
        terminal.text.rpartition(SCREEN_BACK.replace("\x1b[?25h", ""))[0]
        + terminal.text.partition(SCREEN_BACK)[2]
    )
    assert "could not" in told.lower() or "can't" in told.lower() or "refused" in told.lower(), terminal.text
    assert terminal.process.returncode != -signal.SIGINT
