"""What threads took and freed goes back to the machine, in a program that asked for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from flatwater.allocator import give_memory_back, keep_little
from flatwater.monitors import memory_of

print(keep_little() if sys.argv[1] == "little" else False)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes, libc.memset.argtypes = [ctypes.c_size_t], [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
together = Barrier(2)

def hash_a_password(_):
    "As Argon2id at 19 MiB does, twice at once."
    for _ in range(3):
        piece = libc.malloc(19 * 1024 * 1024)
        libc.memset(piece, 1, 19 * 1024 * 1024)
        together.wait()
        libc.free(piece)

with ThreadPoolExecutor(2) as slots:
    list(slots.map(lambda _: None, range(2)))
    before = memory_of(os.getpid()).private_bytes
    list(slots.map(hash_a_password, range(2)))
    print(memory_of(os.getpid()).private_bytes - before)
    give_memory_back()
"""


def left_behind(way: str) -> tuple[bool, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True, timeout=60
    )
    took, left = done.stdout.split()
    return took == "True", int(left)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_two_passwords_hashed_at_once_leave_nothing_behind() -> None:
    took, left = left_behind("little")
    if not took:
        pytest.skip("this system's allocator is not glibc's")
    assert left < 3_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator is Linux's")
def test_the_allocator_left_alone_keeps_them() -> None:
    """The reason for asking; without it the test above could not fail."""
    if not left_behind("little")[0]:
        pytest.skip("this system's allocator is not glibc's")
    assert left_behind("much")[1] > 15_000_000


FORGETS = """
import os, ssl, sqlite3, decimal
from flatwater.allocator import forget_files
from flatwater.monitors import memory_of

before = memory_of(os.getpid()).rss_bytes
forgotten = forget_files()
after = memory_of(os.getpid()).rss_bytes
import json, hashlib
assert hashlib.sha256(b"x").hexdigest().startswith("2d711642"), "what is needed again is there again"
assert ssl.create_default_context() is not None and decimal.Decimal(2).sqrt() and json.loads("[1]") == [1]
print(before - after, forgotten)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is told by Linux's /proc")
def test_what_only_the_start_has_read_of_libraries_is_let_go_and_comes_back_when_it_is_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORGETS], capture_output=True, text=True, check=True, timeout=60
    )
    less, forgotten = map(int, done.stdout.split())
    assert forgotten > 3_000_000
    assert less > forgotten / 2
