"""A backup of a running programme, read back elsewhere: the same in every table, and refused wherever it would not be."""

import fcntl
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from serving import NewDatabase

from flatwater.clock import SystemClock
from flatwater.pool import Database
from rightlevel.database.dumping import NotDumped
from rightlevel.database.server import AttachedServer, PrivateServer
from rightlevel.operations.backup import make_backup

pytestmark = pytest.mark.anyio
COMMAND = str(Path(sys.executable).parent / "rightlevel")
MEMORY = 150_000_000


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up programme with an admin, two photos and a file in its library."""
    at = tmp_path_factory.mktemp("data")
    made = run("generate", "--schools", "3", "--children", "200", "--seed", "5", "--data", str(at))
    assert made.returncode == 0, made.stderr
    for name in ("ab/one", "cd/two"):
        photo = at / "photos" / name
        photo.parent.mkdir(parents=True)
        photo.write_bytes(name.encode() * 1_000)
    (at / "photos" / "cd" / "three.part").write_bytes(b"half")
    server = PrivateServer(at, MEMORY)
    server.start()
    with psycopg.connect(server.conninfo) as connection:
        connection.execute(
            "insert into host_standing values (gen_random_uuid(), 'one:8000', 1, '', now(), now(), 'ok', '{}', 3, 'notify', true)"
        )
        connection.execute("insert into election select 'cluster', id, now() from host_standing")
    server.stop()
    for name in ("photos/hosts/a-sign", "resources/hosts/a-sign", "resources/a-song"):
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_bytes(name.encode())
    return at


def everything(folder: Path) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and the sum of all of them."""
    server = PrivateServer(folder, MEMORY)
    server.start()
    try:
        with psycopg.connect(server.conninfo) as connection:
            names = connection.execute(
                "select tablename::text from pg_tables where schemaname = 'public' and tablename <> 'backup' order by 1"
            ).fetchall()
            return {
                name: connection.execute(
                    f"select count(*), coalesce(md5(string_agg(t::text, ',' order by t::text)), '') from {name} t"  # type: ignore[arg-type]
                ).fetchone()  # type: ignore[misc]
                for (name,) in names
            }
    finally:
        server.stop()


@pytest.fixture(scope="module")
def backup(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("backups")
    done = run("backup", "--into", str(into), "--json", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout.splitlines()[-1])["folder"])


def test_what_is_read_back_is_what_there_was(folder: Path, backup: Path, tmp_path: Path) -> None:
    done = run("restore", str(backup), "--data", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    assert "kept counts equal their rows" in done.stdout
    before = everything(folder)
    assert before["student"][0] == 200
    assert before["host_standing"][0] == 1, "what is of the moment is not in it"
    before |= {name: everything(tmp_path / "new")[name] for name in ("host_standing", "election")}
    assert (before["host_standing"][0], before["election"][0]) == (0, 0)
    assert everything(tmp_path / "new") == before
    photos = tmp_path / "new" / "photos"
    assert {each.name: each.read_bytes() for each in photos.rglob("*") if each.is_file()} == {
        "one": b"ab/one" * 1_000,
        "two": b"cd/two" * 1_000,
    }
    library = tmp_path / "new" / "resources"
    assert {each.name: each.read_bytes() for each in library.rglob("*")} == {"a-song": b"resources/a-song"}
    again = run("restore", str(backup), "--data", str(tmp_path / "new"))
    assert (again.returncode, "nothing is written over" in again.stderr) == (1, True)
    assert everything(tmp_path / "new") == before


def test_it_is_for_its_owner_only_and_says_what_is_in_it(backup: Path) -> None:
    told = json.loads((backup / "backup.json").read_text())
    assert [each["name"] for each in told["files"]] == ["database.dump", "library.tar", "photos.tar"]
    assert backup.stat().st_mode & 0o077 == 0
    with tarfile.open(backup / "photos.tar") as tar:
        assert sorted(tar.getnames()) == ["ab/one", "cd/two"]


@pytest.mark.parametrize("name", ["database.dump", "photos.tar", "backup.json"])
def test_what_was_changed_or_cut_off_is_not_read_back(backup: Path, tmp_path: Path, name: str) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(backup, bad)
    (bad / name).write_bytes((bad / name).read_bytes()[:-20] + b"x" * 10)
    done = run("restore", str(bad), "--data", str(tmp_path / "new"))
    assert (done.returncode, name in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new" / "postgres").exists()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder of its own with a short path: PostgreSQL's socket lies below it, and a socket's path may have 107 bytes only."""
    with TemporaryDirectory(prefix="rl-", dir="/tmp") as folder:
        yield Path(folder)


def test_it_can_be_seen_whether_it_reads_back_and_nothing_is_left(
    backup: Path, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(short_folder))
    done = run("restore", str(backup), "--verify")
    assert done.returncode == 0, done.stderr
    assert "can be read back" in done.stdout
    assert "kept counts equal their rows" in done.stdout
    assert list(short_folder.iterdir()) == []
    assert run("restore", str(backup), "--verify", "--data", str(short_folder / "x")).returncode == 2


def test_a_backup_of_a_newer_version_is_refused(backup: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(backup, newer)
    told = json.loads((newer / "backup.json").read_text())
    (newer / "backup.json").write_text(json.dumps({**told, "schema_step": told["schema_step"] + 1}))
    done = run("restore", str(newer), "--data", str(tmp_path / "new"))
    assert (done.returncode, "newer RightLevel" in done.stderr) == (1, True)


def test_only_so_many_stay_and_what_was_cut_off_goes(folder: Path, tmp_path: Path) -> None:
    left = tmp_path / ".rightlevel-20260101T000000Z"
    left.mkdir()
    (left / "database.dump").write_bytes(b"half")
    for year in (2020, 2021, 2022):
        old = tmp_path / f"rightlevel-{year}0101T000000Z"
        old.mkdir()
        (old / "backup.json").write_text("{}")
    mine = tmp_path / "rightlevel-20190101T000000Z"
    mine.mkdir()  # no backup of ours: it has no backup.json
    done = run("backup", "--into", str(tmp_path), "--keep", "2", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    names = sorted(each.name for each in tmp_path.iterdir() if each.name != ".lock")
    assert names[:2] == ["rightlevel-20190101T000000Z", "rightlevel-20220101T000000Z"]
    assert len(names) == 3


def test_it_is_made_while_the_service_runs_and_is_written_down(folder: Path, tmp_path: Path) -> None:
    server = PrivateServer(folder, MEMORY)
    server.start()
    try:
        done = run("backup", "--into", str(tmp_path), "--data", str(folder))
        assert done.returncode == 0, done.stderr
        with psycopg.connect(AttachedServer(folder).conninfo) as connection:
            kept = connection.execute("select name from backup order by made_at desc limit 1").fetchone()
    finally:
        server.stop()
    assert kept == (next(each.name for each in tmp_path.iterdir() if each.name != ".lock"),)


async def test_where_it_fails_nothing_is_left_and_no_older_one_is_taken_away(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    old = tmp_path / "rightlevel-20200101T000000Z"
    old.mkdir()
    (old / "backup.json").write_text("{}")
    nowhere = "postgresql://somebody:secret-word@127.0.0.1:1/nothing"
    async with Database(new_database().conninfo) as database:
        with pytest.raises(NotDumped) as told:
            await make_backup(
                database,
                nowhere,
                tmp_path,
                SystemClock(),
                photos=tmp_path,
                library=tmp_path,
                say=print,
                keep=1,
            )
    assert "secret-word" not in str(told.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lock", old.name]


def test_two_are_not_made_into_one_folder_at_once(folder: Path, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("backup", "--into", str(tmp_path), "--data", str(folder))
    assert (done.returncode, "Another backup is being made" in done.stderr) == (1, True)
