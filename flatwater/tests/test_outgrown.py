"""What a process has of its own, seen without asking it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flatwater.outgrown import own_bytes

PROGRAM = """
import sys
print(flush=True); sys.stdin.readline()
held = bytearray(b"x") * 50_000_000
print(flush=True); sys.stdin.readline()
"""


def test_what_a_process_took_since_is_its_own_and_one_that_is_gone_has_nothing_to_tell() -> None:
    with subprocess.Popen(
        [sys.executable, "-I", "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        before = own_bytes(process.pid)
        if before is None:
            pytest.skip("this machine does not tell")
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        after = own_bytes(process.pid)
        process.stdin.write("\n")
    assert after is not None
    assert 50_000_000 <= after - before < 52_000_000
    assert own_bytes(process.pid) is None
