"""A backup that somebody changed is told from one that was damaged, by whoever has the secret."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from rightlevel.database.migrations import known_migrations
from rightlevel.operations.backup import SIGNATURE, Backup, BackupFile, BackupProblem, _signed, read_backup

SECRET = "kept in the safe of the ministry"


def backup(folder: Path, content: bytes, *, secret: str = SECRET) -> bytes:
    (folder / "database.dump").write_bytes(content)
    file = BackupFile("database.dump", len(content), hashlib.sha256(content).hexdigest())
    made = Backup(datetime(2026, 11, 1, tzinfo=UTC), known_migrations()[-1].number, (file,), "")
    told = msgspec.json.format(msgspec.json.encode(made))
    (folder / "backup.json").write_bytes(told)
    if secret:
        (folder / SIGNATURE).write_bytes(_signed(told, secret))
    return told


def test_a_signed_backup_is_read_with_its_secret_and_without_one(tmp_path: Path) -> None:
    backup(tmp_path, b"rows")
    assert read_backup(tmp_path, print, secret=SECRET).files[0].name == "database.dump"
    assert read_backup(tmp_path, print).files[0].size_bytes == 4


def test_a_changed_file_with_a_changed_sum_is_told_as_changed_and_a_broken_one_as_damaged(
    tmp_path: Path,
) -> None:
    backup(tmp_path, b"rows")
    (tmp_path / "database.dump").write_bytes(b"rots")
    with pytest.raises(BackupProblem, match="its sum differs"):
        read_backup(tmp_path, print, secret=SECRET)
    backup(tmp_path, b"evil rows", secret="")
    with pytest.raises(BackupProblem, match="was changed by somebody"):
        read_backup(tmp_path, print, secret=SECRET)


@pytest.mark.parametrize("how", ["none", "another secret", "nonsense"])
def test_a_backup_without_the_right_signature_is_not_read(tmp_path: Path, how: str) -> None:
    told = backup(tmp_path, b"rows", secret="")
    if how != "none":
        (tmp_path / SIGNATURE).write_bytes(
            _signed(told, "another") if how == "another secret" else b"\xff" * 64
        )
    with pytest.raises(BackupProblem, match="was changed by somebody"):
        read_backup(tmp_path, print, secret=SECRET)
