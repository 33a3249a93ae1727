"""What processes would take alone on the machine: files once and in full, whoever else runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flatwater.monitors import pss_of, weigh_alone
from flatwater.monitors.smaps import WeightOfProcess, alone_bytes, weight_of


@contextmanager
def another() -> Iterator[int]:
    """The same interpreter once more."""
    words = [sys.executable, "-I", "-c", "print(flush=True); input()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_file_counts_once_with_the_most_that_one_of_them_has() -> None:
    one = WeightOfProcess(own=1, shared=10, files={"a": 100, "b": 300})
    other = WeightOfProcess(own=2, shared=20, files={"a": 200})
    assert alone_bytes([one]) == 411
    assert alone_bytes([one, other]) == 1 + 2 + 10 + 20 + 200 + 300


def test_others_who_run_the_same_program_do_not_make_it_lighter() -> None:
    with another() as first:
        alone = weigh_alone([first])
        assert alone is not None
        with another(), another(), another():
            beside, shared_out = weigh_alone([first]), pss_of([first])
        assert beside == alone
        assert shared_out is not None
        assert shared_out < alone - 1_000_000, "as its fair share of the interpreter says"


def test_one_that_ended_takes_nothing_and_has_no_weight() -> None:
    with another() as gone:
        pass
    assert weight_of(gone) is None
    assert weigh_alone([gone]) == 0
    mine = weight_of(os.getpid())
    assert mine is not None
    assert any("python" in file for file in mine.files)
