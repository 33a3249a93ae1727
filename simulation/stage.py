"""The stage: a PostgreSQL, a template with a cast in it, and for every run a copy of it with the program's processes on it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from simulation.client import Answer, Client, Lost
from simulation.cluster import Cluster

FIRST_DAY = date(2027, 1, 4)
MORNING_UTC = 2
"""Nine in the morning in Phnom Penh: the day is the same in both."""
NIGHT_UTC = 18
"""One in the morning of the next day in Phnom Penh."""
START_S = 40.0
WHERE_S = 1.0
ENDED = ("ended", "gone")
ENDING_S = 60.0
"""So long a process may take to end, or a command to be done, before it is killed."""
LAUNCHER_S = 150.0
"""So long the launcher may take to answer; it begins with importing the program."""
TEMPLATE = "sim_template"
CAST = (
    ("admin", "admin"),
    ("coordinator1", "coordinator"),
    ("coordinator2", "coordinator"),
    ("mentor1", "mentor"),
    ("mentor2", "mentor"),
    ("mentor3", "mentor"),
    ("teacher1", "teacher"),
    ("teacher2", "teacher"),
    ("teacher3", "teacher"),
    ("teacher4", "teacher"),
    ("teacher5", "teacher"),
    ("viewer1", "viewer"),
    ("spare1", "teacher"),
)
"""Who is there from the beginning, with role: they are signed in once, in the template."""
CRON_SECRET = "a-scheduler-outside"
PASSWORD = "correct-horse-battery-7"
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')


class Key:
    """How one person is let in: a token for the API, a session for the pages."""

    def __init__(self, person_id: int, token: str, cookie: str, csrf: str) -> None:
        self.person_id = person_id
        self.token = token
        self.cookie = cookie
        self.csrf = csrf


class Program:
    """The launcher process, which forks the program's processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])}
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulation.program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env=environment,
            start_new_session=True,  # told to stop by us, and by nobody who speaks to our group
        )
        self._tell(None)

    def _tell(self, command: dict[str, Any] | None) -> dict[str, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the launcher has no pipes")
        if command is not None:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        # One line answers one command, so that nothing is left in a buffer that select doesn't see.
        ready, _, _ = select.select([self._process.stdout], [], [], LAUNCHER_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise RuntimeError("the launcher ended, or does not answer")
        return json.loads(line)

    def run(
        self,
        arguments: list[str],
        environment: dict[str, str],
        log: Path,
        clock: Path | None,
        plant: str = "",
    ) -> int:
        """Starts `rightlevel ARGUMENTS` in a process of its own."""
        command = {
            "do": "run",
            "arguments": arguments,
            "environment": environment,
            "log": str(log),
            "clock": str(clock) if clock else "",
            "plant": plant,
        }
        return self._tell(command)["process_id"]

    def wait(self, process_id: int) -> int | None:
        """The exit code of a process that was started, when it ends; -9 when it had to be killed."""
        return self._tell({"do": "wait", "process_id": process_id, "most_s": ENDING_S})["code"]

    def close(self) -> None:
        """Ends the launcher and what it started."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(30)
        if self._process.stdout:
            self._process.stdout.close()


def free_ports(first: int, count: int) -> list[int]:
    """The next ports on which nobody listens: another simulation may run beside this one."""
    found: list[int] = []
    for port in range(first, first + 800):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"no free ports from {first}")


class Stage:
    """Everything that runs are made on. Open once, then `run` for each seed."""

    def __init__(self, first_port: int = 20_100) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rlsim-"))
        self.folder.chmod(0o755)
        self.cluster = Cluster(self.folder / "pg")
        self.program = Program(self.folder)
        self.first_port = first_port
        self.people: dict[str, Key] = {}
        self.document: dict[str, Any] = {}
        self.password = PASSWORD
        self._numbers = 0

    async def open(self) -> None:
        """Makes the server, the template and the cast."""
        self.cluster.make()
        self.cluster.create_with_clock(TEMPLATE)
        run = Run(self, TEMPLATE, processes=1)
        run.set_clock(FIRST_DAY, MORNING_UTC)
        admin = run.command("person", "add", "--role", "admin", "--username", "admin", "--json")
        token = run.command("token", "create", "--person", "admin", "--days", "300", "--json")
        admin_token = json.loads(token.strip().splitlines()[-1])["token"]
        self.people["admin"] = Key(json.loads(admin.strip().splitlines()[-1])["id"], admin_token, "", "")
        await run.start()
        try:
            self.document = (await run.api("admin", "GET", "/api/v1/openapi.json")).json()
            await self._cast(run)
        finally:
            await run.stop()

    async def _cast(self, run: Run) -> None:
        await run.must("admin", "POST", "/api/v1/settings/second-factor", {"admins_need_it": False})
        made = await run.must(
            "admin",
            "POST",
            "/api/v1/people",
            {"username": "admin2", "display_name": "Admin Two", "role": "admin", "password": PASSWORD},
        )
        admin2 = await self.sign_in(run, "admin2", made["person"]["id"], 1)
        self.people["admin"] = admin2
        for number, (name, role) in enumerate(CAST[1:], 2):
            made = await run.must(
                "admin",
                "POST",
                "/api/v1/people",
                {"username": name, "display_name": name.title(), "role": role, "password": PASSWORD},
            )
            self.people[name] = await self.sign_in(run, name, made["person"]["id"], number)

    async def sign_in(self, run: Run, username: str, person_id: int, number: int, token: str = "") -> Key:
        """Signs somebody in through the page, from an address of their own, and makes them a token unless they have one."""
        source = f"127.0.{1 + number // 200}.{1 + number % 200}"
        body = urlencode({"username": username, "password": PASSWORD, "next": "/"}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await run.client.ask(0, "POST", "/sign-in", headers, body, source=source)
        found = re.search(r"(?:__Host-)?rl_session=[^;]+", answer.headers.get("set-cookie", ""))
        if found is None:
            raise RuntimeError(f"{username} can't sign in: {answer.status} {answer.text[:500]}")
        cookie = found.group(0)
        page = await run.client.ask(0, "GET", "/account", {"cookie": cookie})
        csrf = CSRF.search(page.text)
        if csrf is None:
            raise RuntimeError(f"no csrf token on /account: {page.status} {page.text[:500]}")
        if token:
            return Key(person_id, token, cookie, csrf.group(1))
        made = await run.client.ask(
            0,
            "POST",
            "/api/v1/me/tokens",
            {"cookie": cookie, "x-csrf-token": csrf.group(1), "content-type": "application/json"},
            json.dumps({"label": "simulation", "days": 300}).encode(),
        )
        if not made.is_done:
            raise RuntimeError(f"no token for {username}: {made.text}")
        return Key(person_id, made.json()["token"], cookie, csrf.group(1))

    def new_run(self, *, processes: int = 2, hosts: bool = False, plant: str = "", sql: str = "") -> Run:
        """A fresh copy of the template, with the program not yet started on it; as `hosts` each process has a data folder of its own."""
        self._numbers += 1
        name = f"sim_{self._numbers}"
        self.cluster.create(name, TEMPLATE)
        self.cluster.set_path(name)
        if sql:
            self.cluster.execute(name, sql)
        run = Run(self, name, processes=processes, hosts=hosts, plant=plant)
        run.people = dict(self.people)
        return run

    def close(self) -> None:
        """Ends everything and takes it away."""
        self.program.close()
        self.cluster.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Run:
    """One database with the program's processes on it."""

    def __init__(
        self, stage: Stage, database: str, *, processes: int, hosts: bool = False, plant: str = ""
    ) -> None:
        self.stage = stage
        self.database = database
        self.hosts = hosts
        self.plant = plant
        self.folder = stage.folder / database
        self.folder.mkdir()
        self.clock_file = self.folder / "clock"
        self.clock_file.write_bytes(struct.pack("d", 0.0))
        ports = free_ports(stage.first_port, processes)
        self.client = Client(ports)
        self.process_ids: dict[int, int] = {}
        self.people: dict[str, Key] = stage.people
        self.environment = {
            "DATABASE_URL": stage.cluster.conninfo(database),
            "RIGHTLEVEL_CRON_SECRET": CRON_SECRET,
            "RIGHTLEVEL_MEMORY_BYTES": str(3_000_000_000),
            "RIGHTLEVEL_SESSION_IDLE_S": str(400 * 86_400),
            "RIGHTLEVEL_SESSION_LIFE_S": str(400 * 86_400),
        }
        if hosts:
            self.environment["RIGHTLEVEL_FILES_FOLDER"] = str(self.folder / "files")
        self.day = FIRST_DAY
        self.hour = MORNING_UTC
        self.shift_s = 0.0

    def set_clock(self, day: date, hour: int) -> None:
        """Moves the simulated time to this day and hour (UTC), for the program and its database."""
        self.day, self.hour = day, hour
        wanted = datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()
        shift = self.shift_s = wanted - time.time()
        # In place: the processes have the file mapped, and one that is cut to nothing even for a moment ends them (SIGBUS).
        with self.clock_file.open("r+b") as file:
            file.write(struct.pack("d", shift))
        self.stage.cluster.execute(
            self.database, f"update sim.clock set shift = interval '{shift:.3f} seconds'"
        )

    def command(self, *arguments: str) -> str:
        """What a command of the program printed. *Errors*: RuntimeError when it fails."""
        code, text = self.try_command(*arguments)
        if code:
            raise RuntimeError(f"rightlevel {' '.join(arguments)} ended with {code}: {text[-2000:]}")
        return text

    def try_command(self, *arguments: str) -> tuple[int | None, str]:
        """The exit code of a command and what it printed."""
        log = self.folder / f"command-{secrets.token_hex(4)}"
        data = ["--data", str(self.folder / "data")]
        process_id = self.stage.program.run(
            [*arguments, *data], self.environment, log, self.clock_file, self.plant
        )
        code = self.stage.program.wait(process_id)
        return code, log.read_text("utf-8", "replace")

    async def start(self) -> None:
        """Starts the processes and waits until each answers."""
        for port in self.client.ports:
            self.launch(port)
        for port in self.client.ports:
            await self.ready(port)

    def launch(self, port: int) -> None:
        """Starts one process on a port."""
        data = self.folder / (f"data-{port}" if self.hosts else "data")
        arguments = ["serve", "--port", str(port), "--data", str(data)]
        log = self.folder / f"serve-{port}"
        self.process_ids[port] = self.stage.program.run(
            arguments, self.environment, log, self.clock_file, self.plant
        )

    async def _where(self, port: int) -> None:
        """Has a process write into its log where each of its threads stands."""
        with suppress(ProcessLookupError):
            os.kill(self.process_ids[port], signal.SIGUSR1)
            await asyncio.sleep(WHERE_S)

    async def ready(self, port: int) -> None:
        """Waits until the process on this port answers."""
        until = time.monotonic() + START_S
        while True:
            try:
                answer = await self.client.ask(0, "GET", "/version", {}, port=port)
                if answer.status == 200:
                    return
            except Lost:
                pass
            state = self.states()[port]
            if state.startswith(ENDED) or time.monotonic() > until:
                await self._where(port)
                said = (self.folder / f"serve-{port}").read_text("utf-8", "replace")
                raise RuntimeError(f"the program does not start ({state}): {said[-4000:]}")
            await asyncio.sleep(0.02)

    def states(self) -> dict[int, str]:
        """How each process is, by its port: a letter of ps, or gone."""
        found: dict[int, str] = {}
        for port, process_id in self.process_ids.items():
            stat = Path(f"/proc/{process_id}/stat")
            state = stat.read_text("utf-8").rsplit(")", 1)[1].split()[0] if stat.exists() else "gone"
            found[port] = f"ended with {self.stage.program.wait(process_id)}" if state == "Z" else state
        return found

    @property
    def parts(self) -> dict[str, list[int]]:
        """The processes that serve, and PostgreSQL's first: what takes time of a core beside the driver itself."""
        postmaster = self.stage.cluster.process_id
        return {
            "program": list(self.process_ids.values()),
            "PostgreSQL": [] if postmaster is None else [postmaster],
        }

    def tell_where(self) -> None:
        """Lets every process write into its log where it is: one that does not answer may be going in a circle."""
        for process_id in self.process_ids.values():
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGUSR1)
        time.sleep(0.3)

    def kill(self, port: int) -> None:
        """Kills one process at once."""
        with suppress(ProcessLookupError):
            os.kill(self.process_ids[port], signal.SIGKILL)
            self.stage.program.wait(self.process_ids[port])

    async def stop(self) -> None:
        """Ends the processes as an operator does, and forgets the connections."""
        self.client.forget_connections()
        for process_id in self.process_ids.values():
            os.kill(process_id, signal.SIGTERM)
        for process_id in self.process_ids.values():
            self.stage.program.wait(process_id)
        self.process_ids.clear()

    async def throw_away(self) -> None:
        """Ends the processes without ceremony and drops the database."""
        self.client.forget_connections()
        for port in list(self.process_ids):
            self.kill(port)
        self.process_ids.clear()
        self.stage.cluster.drop(self.database)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def api(
        self,
        who: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        which: int = 0,
        key: str = "",
        forget: bool = False,
    ) -> Answer:
        """One call of the API as somebody."""
        headers = {"authorization": f"Bearer {self.people[who].token}"}
        sent = b""
        if body is not None:
            headers["content-type"] = "application/json"
            sent = json.dumps(body).encode()
        if key:
            headers["idempotency-key"] = key
        return await self.client.ask(which, method, path, headers, sent, forget=forget)

    async def must(self, who: str, method: str, path: str, body: Any) -> Any:
        """The answer of a call that has to be done. *Errors*: RuntimeError otherwise."""
        answer = await self.api(who, method, path, body)
        if not answer.is_done:
            raise RuntimeError(f"{method} {path} as {who}: {answer.status} {answer.text[:1000]}")
        return answer.json()

    async def page(
        self,
        who: str,
        method: str,
        path: str,
        fields: list[tuple[str, str]] | None = None,
        *,
        which: int = 0,
        forget: bool = False,
        key: str = "",
    ) -> Answer:
        """One page, or a form that is posted, as somebody."""
        headers = {"cookie": self.people[who].cookie}
        if key:
            headers["idempotency-key"] = key
        sent = b""
        if fields is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
            sent = urlencode(fields).encode()
        return await self.client.ask(which, method, path, headers, sent, forget=forget)
