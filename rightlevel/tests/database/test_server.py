import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from rightlevel.database.errors import FolderInUse, ServerDidNotStart
from rightlevel.database.server import AttachedServer, PrivateServer, existing_server, process_tree
from rightlevel.database.sizing import server_settings

BUDGET = 150_000_000


def answers(conninfo: str, within_s: float = 15.0) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            with psycopg.connect(conninfo, connect_timeout=2) as connection:
                return connection.execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False


def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    with psycopg.connect(server.start()) as connection:
        connection.execute("create table kept (a int)")
        connection.execute("insert into kept values (7)")
    server.stop()
    again = PrivateServer(tmp_path, BUDGET)
    with psycopg.connect(again.start()) as connection:
        assert connection.execute("select a from kept").fetchone() == (7,)
    again.stop()


def test_a_folder_with_a_long_path_is_found_again_under_the_same_address(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    server = PrivateServer(folder, BUDGET)
    conninfo = server.start()
    server.stop()
    again = PrivateServer(folder, BUDGET)
    try:
        assert again.start() == conninfo
        assert answers(conninfo)
        socket_folder = Path(again.socket_folder)
        assert socket_folder.stat().st_mode & 0o077 == 0
    finally:
        again.stop()
    assert not socket_folder.exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    socket_folder.symlink_to(elsewhere)
    try:
        with pytest.raises(ServerDidNotStart, match="belongs to somebody else"):
            PrivateServer(folder, BUDGET).start()
    finally:
        socket_folder.unlink()


def test_two_starts_on_one_folder_are_refused_with_the_holder(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    server.start()
    try:
        with pytest.raises(FolderInUse, match=rf"in use by process {os.getpid()}"):
            PrivateServer(tmp_path, BUDGET).start()
        assert answers(server.conninfo)
    finally:
        server.stop()


def test_another_command_attaches_to_the_running_server(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    server.start()
    try:
        assert answers(AttachedServer(tmp_path).conninfo)
    finally:
        server.stop()
    with pytest.raises(FolderInUse):
        AttachedServer(tmp_path)


def test_a_killed_postgres_is_started_again_with_everything_committed(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    conninfo = server.start()
    try:
        with psycopg.connect(conninfo) as connection:
            connection.execute("create table kept (a int)")
        for _ in range(2):
            before = server.process_ids()[0]
            os.kill(before, signal.SIGKILL)
            assert answers(conninfo)
            assert server.process_ids()[0] != before
        with psycopg.connect(conninfo) as connection:
            connection.execute("insert into kept values (1)")
    finally:
        server.stop()


PROGRAM = """
import sys, time
from pathlib import Path
from rightlevel.database.server import PrivateServer
server = PrivateServer(Path(sys.argv[1]), 150_000_000)
server.start()
print(server.process_ids()[0], flush=True)
time.sleep(60)
"""


def test_a_killed_program_leaves_nothing_that_the_next_start_can_not_clear(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        orphan = int(program.stdout.readline())
        program.kill()
    assert process_tree(orphan)
    server = PrivateServer(tmp_path, BUDGET)
    try:
        assert answers(server.start())
        assert server.process_ids()[0] != orphan
        assert not Path(f"/proc/{orphan}/exe").exists()
    finally:
        server.stop()


def test_a_first_start_that_was_cut_off_begins_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "making"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    server = PrivateServer(tmp_path, BUDGET)
    try:
        assert answers(server.start())
    finally:
        server.stop()


def test_nobody_else_can_read_the_folder_or_connect_without_the_password(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    server.start()
    try:
        folder = tmp_path / "postgres"
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "password").stat().st_mode & 0o077 == 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(make_conninfo(server.conninfo, password=""))
        with psycopg.connect(server.conninfo) as connection:
            assert connection.execute("show listen_addresses").fetchone() == ("",)
    finally:
        server.stop()


def test_a_deep_folder_still_gets_a_socket(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path / ("deep" * 30), BUDGET)
    try:
        assert answers(server.start())
    finally:
        server.stop()


def test_a_folder_that_can_not_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerDidNotStart, match="can't be made"):
        PrivateServer(tmp_path / "file" / "data", BUDGET).start()


def test_a_broken_cluster_is_refused_with_what_postgres_says(tmp_path: Path) -> None:
    server = PrivateServer(tmp_path, BUDGET)
    server.start()
    server.stop()
    (tmp_path / "postgres" / "cluster" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(ServerDidNotStart, match="pg_control"):
        PrivateServer(tmp_path, BUDGET).start()


def test_an_existing_server_is_taken_from_the_environment(server: PrivateServer) -> None:
    assert existing_server({}) is None
    found = existing_server({"DATABASE_URL": server.conninfo})
    assert found is not None
    assert not found.is_private
    assert answers(found.start())


def test_an_existing_server_that_is_not_there_is_said_so() -> None:
    found = existing_server({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert found is not None
    with pytest.raises(ServerDidNotStart, match="DATABASE_URL"):
        found.start()


def test_a_bigger_budget_gives_more_and_a_tiny_one_is_refused() -> None:
    assert server_settings(150_000_000, "/x")["shared_buffers"] == "15MB"
    assert server_settings(2_000_000_000, "/x")["shared_buffers"] == "200MB"
    with pytest.raises(ValueError, match="at least 100 MB"):
        server_settings(50_000_000, "/x")
