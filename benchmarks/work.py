"""What the measurements share: a data folder with a generated programme, the running service, and what a figure is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg

ROOT = Path(__file__).parent.parent
WORK = Path(os.environ.get("RIGHTLEVEL_BENCH_WORK", Path(__file__).parent / ".work"))
COMMAND = str(Path(sys.executable).parent / "rightlevel")


class Figure(msgspec.Struct):
    """One measured figure beside its promise. `is_kept` is None where nothing was promised."""

    name: str
    value: float
    unit: str
    promise: str = ""
    is_kept: bool | None = None
    floor: str = ""


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """One `rightlevel` command. *Errors*: RuntimeError with what it said."""
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"rightlevel {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def run_json(*words: str) -> dict[str, Any]:
    """The last line that a command prints, which is JSON."""
    return json.loads(run(*words, "--json").stdout.strip().splitlines()[-1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fresh(name: str) -> Path:
    """An empty data folder."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def generated(schools: int, children: int, *, results: bool = False, name: str = "") -> Iterator[Path]:
    """A data folder with a made-up programme; kept between runs of one schema, because making a million takes a while."""
    folder = WORK / (name or f"s{schools}-c{children}{'-r' if results else ''}")
    made = hashlib.sha256((ROOT / "rightlevel/src/rightlevel/database/schema.sql").read_bytes()).hexdigest()
    if not (folder / "made").exists() or (folder / "made").read_text() != made:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        say(f"making {schools:,} schools and {children:,} children")
        run(
            "generate",
            "--schools",
            str(schools),
            "--children",
            str(children),
            "--seed",
            "1",
            *(["--results"] if results else []),
            "--data",
            str(folder),
        )
        (folder / "made").write_text(made)
    yield folder


class Service(msgspec.Struct):
    """A running `rightlevel serve`."""

    folder: Path
    port: int
    process: Any

    def get(self, path: str, token: str | None = None) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any, token: str, method: str = "POST") -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def service(folder: Path, *words: str, program: list[str] | None = None) -> Iterator[Service]:
    """The service on a folder, for as long as the block runs."""
    port = free_port()
    process = subprocess.Popen(
        [*(program or [COMMAND]), "serve", "--data", str(folder), "--port", str(port), *words],
        stdout=subprocess.DEVNULL,
        env=os.environ,
        cwd=ROOT,
    )
    try:
        wait_for(port, process=process)
        yield Service(folder, port, process)
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int, path: str = "/version", within_s: float = 60.0, process: Any = None) -> float:
    """Seconds until the address answers. *Errors*: TimeoutError; RuntimeError when the process that should answer has ended."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        if process is not None and process.poll() is not None:
            raise RuntimeError(
                f"the process that should answer on port {port} ended with {process.returncode}"
            )
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return time.monotonic() - began
        except OSError:
            time.sleep(0.02)
    raise TimeoutError(f"nothing answers on port {port}")


MACHINE_S = 0.5


def machine(conninfo: str) -> str:
    """The machine's own figure, beside whatever is told in absolute time."""
    return f"a bare SELECT here: {select_us(conninfo):,.0f} µs"


def select_us(conninfo: str) -> float:
    """Microseconds of a SELECT of one row by its key here and now, on one connection as pgbench -S asks."""
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=0) as connection:
        done, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < MACHINE_S:
            connection.execute("select display_name from person where id = %s", [done % 10]).fetchall()
            done += 1
    return took / done * 1e6


def tokens_for(folder: Path, role: str, count: int = 1) -> list[str]:
    """Bearer tokens of a person made for it: one for each device, because allowances are per token."""
    username = f"bench.{uuid.uuid4().hex[:12]}"
    run("person", "add", "--role", role, "--username", username, "--data", str(folder))
    made = ("token", "create", "--person", username, "--data", str(folder))
    if count == 1:
        return [run_json(*made)["token"]]
    with service(folder):  # the command finds the server running, instead of starting one for each token
        return [run_json(*made)["token"] for _ in range(count)]
