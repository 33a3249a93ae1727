"""Names and files of whoever means ill: nothing that they hold steers a terminal, a shell or a reader."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from flatwater.audit.source import MAX_FILE_BYTES, SourceBroken, read_module
from flatwater.contract import Call, Sent
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import database_word, one_line
from flatwater.doctor.report import cure_as_text
from flatwater.inputs import InputInvalid, decode_inputs

NAMES = (
    "plain",
    "with space",
    "semi; rm -rf ~",
    "$(touch owned)",
    "`id`",
    "quo'te",
    'dou"ble',
    "new\nline",
    "back\\slash",
    "host=evil",
    "postgresql://evil/x",
    "-U evil",
    "esc\x1b[31m",
    "\u202ebidi",
    "CRITICAL\nCRITICAL all is lost",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_databases_name_is_one_word_for_the_shell_and_one_name_for_the_program(name: str) -> None:
    word = database_word(name)
    said = subprocess.run(
        ["sh", "-c", f"printf %s --dbname={word}"], check=True, capture_output=True, text=True
    )
    (given,) = shlex.split(f"--dbname={word}")
    assert said.stdout == given
    value = given.removeprefix("--dbname=")
    assert name == (conninfo_to_dict(value)["dbname"] if "=" in value else value)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_begins_no_line_and_moves_no_cursor(name: str) -> None:
    assert "\n" not in one_line(name)
    assert one_line(name).isprintable()
    finding = Finding(name, name, "warning", name, "why", (), ())  # type: ignore[arg-type]
    told = cure_as_text(finding, Cure(sql="select 1;", command="", undo="", explanation=""))
    assert [each for each in told.split("\n") if each.startswith("CRITICAL")] == [
        each for each in told.split("\n")[:1] if name.startswith("CRITICAL")
    ]


def test_files_that_never_end_or_never_begin_are_told_as_not_examined(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    (tmp_path / "large.py").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe\x00")
    for name in ("pipe", "zero", "folder", "gone", "loop", "large", "bytes"):
        with pytest.raises(SourceBroken):
            read_module(tmp_path / f"{name}.py", tmp_path)
    (tmp_path / "good.py").write_bytes(b"a = 1\r\nb = 2\r\n")
    assert read_module(tmp_path / "good.py", tmp_path).text == "a = 1\nb = 2\n"


def call_with(**sent: Any) -> Call[Any, Any]:
    class Route:
        inputs = sent.pop("inputs")
        version_in = None
        is_for_programs = False

    call: Call[Any, Any] = Call(
        endpoint=Route,
        app=None,
        database=None,
        clock=None,
        headers={},
        path="",
        query_string="",
        address="",
        request_id="",
    )  # type: ignore[arg-type]
    call.sent = Sent(**sent)
    return call


MARKS = ("\x00", "\x1b[2J", "\x7f", "\x9b", "\u2028", "\x08")


@pytest.mark.parametrize("mark", [*MARKS, "\r\n", "\n", "\t"])
def test_no_name_holds_marks_that_steer_a_terminal_or_end_a_line(mark: str) -> None:
    text = f"Sok{mark}CRITICAL"
    body = ("{" + f'"display_name": {ascii_json(text)}' + "}").encode()
    for inputs, sent in (
        ({"body": dict[str, str]}, {"content": body}),
        ({"body": dict[str, list[dict[str, str]]]}, {"content": b'{"rows": [' + body + b"]}"}),
        ({"form": dict}, {"fields": {"display_name": [text]}}),
    ):
        with pytest.raises(InputInvalid):
            decode_inputs(call_with(inputs=inputs, **sent), {})


def ascii_json(text: str) -> str:
    return '"' + "".join(f"\\u{ord(each):04x}" for each in text) + '"'


def test_longer_texts_have_lines_and_no_other_marks() -> None:
    lines = call_with(inputs={"body": dict[str, str]}, content=b'{"notes": "one\\r\\n\\ttwo"}')
    assert decode_inputs(lines, {}) == {"body": {"notes": "one\r\n\ttwo"}}
    for mark in MARKS:
        with pytest.raises(InputInvalid):
            decode_inputs(call_with(inputs={"form": dict}, fields={"notes": [f"x{mark}"]}), {})
