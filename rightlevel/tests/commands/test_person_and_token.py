import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).parent / "rightlevel")


def run(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words], capture_output=True, text=True, check=False, env=environment, timeout=120
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def test_the_first_admin_is_made_with_a_password_that_is_printed_once(folder: Path) -> None:
    done = run("person", "add", "--role", "admin", "--username", "chief", "--json", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    assert (made["username"], made["role"]) == ("chief", "admin")
    assert len(made["password"]) == 19
    again = run("person", "add", "--role", "admin", "--username", "chief", "--data", str(folder))
    assert again.returncode == 1
    assert "already" in again.stderr
    assert "chief" in again.stderr


def test_a_forgotten_password_is_replaced_from_the_command_line(folder: Path) -> None:
    run("person", "add", "--role", "teacher", "--username", "forgetful", "--data", str(folder))
    done = run("person", "reset", "--username", "forgetful", "--json", "--data", str(folder))
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["password"]) == 19
    assert run("person", "reset", "--username", "nobody", "--data", str(folder)).returncode == 1


def test_a_token_is_made_for_somebody_who_exists(folder: Path) -> None:
    run("person", "add", "--role", "viewer", "--username", "ministry", "--data", str(folder))
    done = run("token", "create", "--person", "ministry", "--json", "--data", str(folder))
    assert json.loads(done.stdout)["token"].startswith("rl_")
    assert run("token", "create", "--person", "nobody", "--data", str(folder)).returncode == 1


def test_what_is_wrong_is_said_with_what_to_do(folder: Path) -> None:
    wrong_name = run("person", "add", "--role", "viewer", "--username", "Has Spaces", "--data", str(folder))
    assert (wrong_name.returncode, "Small letters" in wrong_name.stderr) == (1, True)
    no_server = run(
        "person",
        "add",
        "--role",
        "viewer",
        "--username",
        "v",
        "--data",
        str(folder),
        environment={"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "PATH": "/usr/bin:/bin"},
    )
    assert (no_server.returncode, "DATABASE_URL" in no_server.stderr) == (1, True)
    wrong_setting = run(
        "person",
        "add",
        "--role",
        "viewer",
        "--username",
        "v",
        "--data",
        str(folder),
        environment={"RIGHTLEVEL_PORT": "abc", "PATH": "/usr/bin:/bin"},
    )
    assert (wrong_setting.returncode, "port" in wrong_setting.stderr) == (2, True)
    assert "Traceback" not in wrong_name.stderr + no_server.stderr + wrong_setting.stderr
