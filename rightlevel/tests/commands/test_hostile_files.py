"""Files and names of whoever means ill, given to every command that takes some: a sentence in time, and nothing steers the terminal."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "rightlevel")
IN_TIME_S = 60
MOST_BYTES = 1_500_000_000
"""Of addresses, with the libraries in them: /dev/zero would fill any memory."""
BAD_NAMES = ("new\nCRITICAL all is lost", "esc\x1b[31mred", "bidi\u202eevil", "bell\a")


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=IN_TIME_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES)),
    )


def assert_told(done: subprocess.CompletedProcess[str]) -> None:
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -9), said
    assert "Traceback" not in said, said
    assert "MemoryError" not in said
    assert said.strip()
    lines = said.splitlines()
    assert not [each for each in lines if each.startswith("CRITICAL")], said
    assert not any(mark in said for mark in ("\x1b", "\u202e", "\a")), repr(said)


def a_pipe(at: Path) -> None:
    os.mkfifo(at)


def without_end(at: Path) -> None:
    at.symlink_to("/dev/zero")


def a_folder(at: Path) -> None:
    at.mkdir()


def a_loop(at: Path) -> None:
    at.symlink_to(at)


def nothing(at: Path) -> None:
    at.symlink_to(at.with_name("nowhere"))


def a_bomb(at: Path) -> None:
    """A workbook in name, whose bytes say otherwise."""
    at.write_bytes(b"PK\x03\x04" + b"\x00" * 100_000)


FILES = (a_pipe, without_end, a_folder, a_loop, nothing, a_bomb)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that is there, so that a command comes to its file."""
    folder = tmp_path_factory.mktemp("data")
    made = run("person", "add", "--role", "admin", "--username", "first", "--data", folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.mark.parametrize("kind", ["schools", "students"])
@pytest.mark.parametrize("make", FILES)
def test_what_is_no_file_is_not_imported(
    data: Path, tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(tmp_path / "file.csv")
    assert_told(run("import", kind, tmp_path / "file.csv", "--data", data))


@pytest.mark.parametrize("make", FILES)
def test_what_is_no_mapping_is_not_read(data: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "mapping.toml")
    (tmp_path / "file.csv").write_text("code,name\nA,Alpha\n")
    words = ("import", "schools", tmp_path / "file.csv", "--mapping", tmp_path / "mapping.toml")
    assert_told(run(*words, "--data", data))


@pytest.mark.parametrize("make", FILES)
def test_what_is_no_backup_is_not_read_back(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "backup")
    assert_told(run("restore", tmp_path / "backup", "--verify", "--data", tmp_path / "data"))
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("manifest.json", "manifest", "database"):
        make(folder / name)
    assert_told(run("restore", folder, "--verify", "--data", tmp_path / "data"))


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_a_file_holds_begins_no_line_and_moves_no_cursor(data: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "children.csv"
    file.write_text(f'school_code,code,name,sex,grade,{name!r}\nNONE,1,"{name}","{name}",3,x\n')
    assert_told(run("import", "students", file, "--data", data))
    assert_told(run("import", "students", file, "--dry-run", "--data", data))


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_files_name_begins_no_line_and_moves_no_cursor(data: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.csv"
    file.write_text("nothing,of,use\n1,2,3\n")
    assert_told(run("import", "schools", file, "--data", data))
    assert_told(run("import", "schools", tmp_path / f"{name} gone.csv", "--data", data))
    assert_told(run("import", "schools", file, "--mapping", tmp_path / f"{name}.toml", "--data", data))
    assert_told(run("restore", tmp_path / name, "--verify", "--data", tmp_path / "data"))
    assert_told(run("person", "add", "--role", "admin", "--username", name, "--data", data))
    assert_told(run("token", "create", "--person", name, "--data", data))
