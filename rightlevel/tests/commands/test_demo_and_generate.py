import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "rightlevel")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: str, folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [COMMAND, command, "--data", str(folder), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=5).close()
                break
            except OSError:  # refused, or not answered in time while it starts
                assert process.poll() is None, process.stdout.read() if process.stdout else ""
                assert time.monotonic() < until
                time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        if process.stdout:
            process.stdout.close()


def test_the_demonstration_says_how_to_sign_in_once_and_starts_again(tmp_path: Path) -> None:
    port = free_port()
    with running("demo", tmp_path, port) as process:
        assert process.stdout is not None
        said = ""
        while f"RightLevel on http://127.0.0.1:{port}" not in said:
            said += process.stdout.readline()
    passwords = re.findall(r"^  (\w+) +((?:[a-z2-9]{4}-){3}[a-z2-9]{4})$", said, re.MULTILINE)
    assert [name for name, _ in passwords] == ["admin", "coordinator", "mentor", "teacher", "viewer"]
    kept = subprocess.run(
        ["grep", "-rlaF", passwords[0][1], str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert kept.stdout == "", "a demo password is stored in clear"
    with running("demo", tmp_path, port) as process:
        assert process.stdout is not None
        assert "is there already" in process.stdout.readline()


def test_generate_fills_an_empty_folder_once_and_reconcile_agrees(tmp_path: Path) -> None:
    words = [
        "generate",
        "--schools",
        "7",
        "--children",
        "300",
        "--seed",
        "3",
        "--results",
        "--data",
        str(tmp_path),
    ]
    done = subprocess.run([COMMAND, *words, "--json"], capture_output=True, text=True, check=True)
    made = json.loads(done.stdout.splitlines()[-1])
    assert (made["schools"], made["children"], made["results"]) == (7, 300, 600)
    again = subprocess.run([COMMAND, *words], capture_output=True, text=True, check=False)
    assert (again.returncode, "already" in again.stderr) == (1, True)
    found = subprocess.run(
        [COMMAND, "reconcile", "--data", str(tmp_path), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout)["different"] == 0


def test_two_servers_on_one_folder_or_one_port_are_refused_in_a_sentence(tmp_path: Path) -> None:
    port = free_port()
    with running("serve", tmp_path, port):
        same_folder = subprocess.run(
            [COMMAND, "serve", "--data", str(tmp_path), "--port", str(free_port())],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (same_folder.returncode, "in use by process" in same_folder.stderr) == (1, True)
        same_port = subprocess.run(
            [COMMAND, "serve", "--data", str(tmp_path / "other"), "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (same_port.returncode, f"Port {port}" in same_port.stderr) == (1, True)
        person = subprocess.run(
            [
                COMMAND,
                "person",
                "add",
                "--role",
                "admin",
                "--username",
                "while.running",
                "--data",
                str(tmp_path),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert person.returncode == 0, person.stderr
        assert "Traceback" not in same_folder.stderr + same_port.stderr
