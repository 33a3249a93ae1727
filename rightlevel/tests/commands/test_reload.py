"""`rightlevel reload` replaces the running service while people ask, and nobody's request is lost."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

COMMAND = str(Path(sys.executable).parent / "rightlevel")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        with (folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                [COMMAND, "serve", "--data", str(folder), "--port", str(self.port)], stdout=said, stderr=said
            )
        until = time.monotonic() + 90
        while True:
            try:
                httpx.get(f"{self.address}/version", timeout=5)
                return
            except httpx.TransportError:
                assert self.process.poll() is None, self.said()
                assert time.monotonic() < until, self.said()
                time.sleep(0.1)

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.stop()


class Asking(threading.Thread):
    """Somebody who asks one thing after the other over a connection that is kept, and counts what came back."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.is_over = threading.Event()
        self.answered = 0
        self.lost: list[str] = []

    def run(self) -> None:
        with httpx.Client(base_url=self.address, timeout=60) as client:
            while not self.is_over.is_set():
                try:
                    answer = client.get("/version")
                except httpx.HTTPError as error:
                    self.lost.append(f"{type(error).__name__}: {error}")
                    continue
                if answer.status_code == 200:
                    self.answered += 1
                else:
                    self.lost.append(f"{answer.status_code}: {answer.text[:200]}")
                time.sleep(0.005)


def test_a_service_is_replaced_under_load_and_no_request_is_lost(service: Service) -> None:
    people = [Asking(service.address) for _ in range(8)]
    for each in people:
        each.start()
    try:
        time.sleep(1)
        before = sum(each.answered for each in people)
        assert before > 0
        for _ in range(2):
            done = subprocess.run(
                [COMMAND, "reload", "--data", str(service.folder), "--json"],
                capture_output=True,
                text=True,
                check=False,
                timeout=200,
            )
            assert done.returncode == 0, done.stderr + service.said()
            assert json.loads(done.stdout)["replaced"] == [service.process.pid]
        after = sum(each.answered for each in people)
        until = time.monotonic() + 60
        while sum(each.answered for each in people) < after + 20:
            assert time.monotonic() < until, service.said()
            time.sleep(0.1)
    finally:
        for each in people:
            each.is_over.set()
        for each in people:
            each.join(90)
    lost = [what for each in people for what in each.lost]
    assert lost == [], service.said()
    said = service.said()
    assert said.count("RightLevel on http") == 3, said
    assert "defect" not in said, "to be asked is none"


def test_without_a_service_it_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "reload", "--data", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "No service runs" in done.stderr) == (1, True)
