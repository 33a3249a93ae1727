"""A measurement that can't be loaded would only be noticed by whoever wants to repeat it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name", sorted(each.stem for each in (ROOT / "benchmarks").glob("*.py") if not each.stem.startswith("__"))
)
def test_every_benchmark_loads(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import benchmarks.{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_measurement_that_is_offered_is_there() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "from importlib import import_module; from benchmarks.__main__ import BENCHES\n"
                "for name in BENCHES: import_module(f'benchmarks.{name}').measure"
            ),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr[-2000:]


def test_the_readme_quotes_what_was_measured() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "from pathlib import Path; from benchmarks.readme_table import with_table; page = Path('README.md').read_text(); "
                "assert with_table(page) == page, 'python -m benchmarks.readme_table writes it again'"
            ),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr[-2000:]
