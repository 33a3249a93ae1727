"""A measurement that breaks would only be noticed by whoever wants to repeat it: each is started, at a size at which it says nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.__main__ import BENCHES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the measurements keep what they make, so that the next finds it."""
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.walk
@pytest.mark.parametrize("name", BENCHES)
def test_every_measurement_runs(name: str, work: Path) -> None:
    environment = {each: value for each, value in os.environ.items() if each != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--tiny", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=environment | {"RIGHTLEVEL_BENCH_WORK": str(work)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert " figures in " in done.stdout


@pytest.mark.parametrize(
    "name",
    sorted(
        {each.stem for each in (ROOT / "benchmarks").glob("*.py") if each.stem[:2] != "__"} - set(BENCHES)
    ),
)
def test_every_file_beside_them_loads(name: str) -> None:
    """The measurements themselves have run above."""
    done = subprocess.run(
        [sys.executable, "-c", f"import benchmarks.{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]


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
