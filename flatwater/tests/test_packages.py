"""The doctor and the audit as distributions of their own: built as they are published, and installed on every Python that is here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running_server import RunningServer

import flatwater

ROOT = Path(__file__).parents[1]
NAMES = ("doctor", "audit")
PUBLIC = {
    "doctor": {"CouldNotLook", "Cure", "Doctor", "Finding", "Look", "Report", "__version__", "main"},
    "audit": {"Finding", "NoApp", "Report", "Verdict", "__version__", "audit_app", "audit_folder", "main"},
}
"""Whoever takes a name out of this breaks somebody's program; it goes with a new major version only."""
LEFT_OUT = shutil.ignore_patterns("tests", "packages", "*.egg-info", "__pycache__", "build")


def pythons() -> list[str]:
    """The interpreters from 3.11 on that really run here: on the path, and pyenv's; one of each version."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in range(11, 15):
        for program in (
            shutil.which(f"python3.{minor}"),
            *map(str, sorted(kept.glob(f"3.{minor}.*/bin/python"))),
        ):
            runs = (
                program
                and subprocess.run([program, "-c", "0"], capture_output=True, check=False).returncode == 0
            )
            if program and runs:
                found.setdefault(f"3.{minor}", program)
    return list(found.values())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The three wheels, built beside each other from copies of their sources."""
    folder = tmp_path_factory.mktemp("wheels")

    def build(name: str) -> None:
        source = ROOT if name == "flatwater" else ROOT / "packages" / name
        shutil.copytree(source, folder / name, ignore=LEFT_OUT)
        words = "from setuptools import build_meta; build_meta.build_wheel('..')"
        done = subprocess.run(
            [sys.executable, "-c", words],
            cwd=folder / name,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    with ThreadPoolExecutor(2) as workers:
        list(workers.map(build, ("flatwater", *NAMES)))
    return sorted(folder.glob("*.whl"))


def test_each_distribution_says_what_it_is(wheels: list[Path]) -> None:
    version = flatwater.__version__
    assert [each.name for each in wheels] == [
        f"{name}-{version}-py3-none-any.whl" for name in ("flatwater", "flatwater_audit", "flatwater_doctor")
    ]
    for name in NAMES:
        told = (ROOT / "packages" / name / "pyproject.toml").read_text()
        assert f'flatwater-{name} = "flatwater_{name}:main"' in told
        assert told.count("Programming Language :: Python :: 3.1") == 4
        for each in ("LICENSE", "README.md", "CHANGELOG.md"):
            assert (ROOT / "packages" / name / each).stat().st_size > 100


@pytest.mark.parametrize("python", pythons(), ids=lambda each: Path(each).parent.parent.name)
def test_both_commands_run_from_their_wheels_on_this_python(
    python: str, wheels: list[Path], server: RunningServer, tmp_path: Path
) -> None:
    """Into an environment that is empty but for what they ask for; where that can't be had (no index is reached), it is said and skipped."""
    inside = str(tmp_path / "env" / "bin" / "python")
    tool = shutil.which("uv") or str(ROOT.parent / ".tools" / "uv" / "bin" / "uv")
    if not Path(tool).exists():
        pytest.skip("uv, which installs them, is not here")
    subprocess.run([tool, "venv", "--quiet", "--python", python, tmp_path / "env"], check=True, timeout=60)
    done = subprocess.run(
        [tool, "pip", "install", "--quiet", "--python", inside, *map(str, wheels), "rich"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"what they need can't be had here: {done.stderr.strip().splitlines()[-1][:150]}")
    outside = {
        **os.environ,
        "DATABASE_URL": server.conninfo,
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path),
    }
    outside.pop("PYTHONPATH", None)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=tmp_path, env=outside, capture_output=True, text=True, timeout=60, check=False
        )

    for name in NAMES if python == sys.executable else ():  # what no version makes different is tried on one
        command = str(tmp_path / "env" / "bin" / f"flatwater-{name}")
        assert flatwater.__version__ in run(command, "--version").stdout
        assert f"flatwater-{name}" in run(inside, "-m", f"flatwater_{name}", "--help").stdout
        listed = run(
            inside,
            "-c",
            f"import flatwater_{name} as it; print(*it.__all__, all(hasattr(it, n) for n in it.__all__))",
        )
        assert set(listed.stdout.split()) == PUBLIC[name] | {"True"}, listed.stderr
        (code,) = re.findall(
            r"```python\n(.*?)```", (ROOT / "packages" / name / "README.md").read_text(), re.DOTALL
        )
        assert run(inside, "-c", code).returncode == 0
    looked = run(str(tmp_path / "env" / "bin" / "flatwater-doctor"))
    assert "fsync" in looked.stdout, looked.stderr
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "app.py").write_text(
        "import time\n\n\n@app.get('/')\nasync def slow():\n    time.sleep(1)\n"
    )
    audited = run(str(tmp_path / "env" / "bin" / "flatwater-audit"), "--source", "service")
    assert audited.returncode == 1, audited.stderr
    assert "blocking-in-async" in audited.stdout
    del outside["DATABASE_URL"]
    unnamed = run(str(tmp_path / "env" / "bin" / "flatwater-doctor"))
    assert unnamed.returncode == 3
    assert "DATABASE_URL" in unnamed.stderr
