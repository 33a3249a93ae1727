"""Memory of processes on this machine, and which process holds the other end of a server's connection."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec import Struct

MAX_PROCESSES: Final = 4_096
"""Processes looked through for a socket's owner; a machine with more is looked at in part."""

_PID_IN_NAME = re.compile(r"(?:\bpid[=: ]?|\[)(\d{1,7})\b")


class ProcessMemory(Struct, frozen=True):
    """*Units*: bytes. PSS shares what is shared among its holders; own is what ending the process gives back."""

    pss_bytes: int
    rss_bytes: int
    own_bytes: int


def memory_of(pid: int) -> ProcessMemory | None:
    """The memory of a process, or None where it is gone or not ours to see. *Source*: /proc/PID/smaps_rollup."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return None
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:] if line.endswith("kB")}
    if "Pss" not in found:
        return None
    own = found.get("Private_Clean", 0) + found.get("Private_Dirty", 0)
    return ProcessMemory(found["Pss"], found.get("Rss", 0), own)


def name_of(pid: int) -> str:
    """What a process calls itself, in at most 60 characters."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
    return words.strip()[:60]


def pid_in(application_name: str) -> int | None:
    """The process id that an application wrote into its name: "shop pid=123", "shop[123]"; or None."""
    found = _PID_IN_NAME.search(application_name)
    return int(found[1]) if found else None


def owners_of_ports(ports: frozenset[int]) -> dict[int, int]:
    """Which process holds which local TCP port, for connections over loopback. *Cost*: reads /proc once."""
    inodes = {inode: port for port, inode in _inodes(ports)}
    if not inodes:
        return {}
    found: dict[int, int] = {}
    with os.scandir("/proc") as entries:
        for entry in islice(entries, MAX_PROCESSES):
            if entry.name.isdigit():
                found |= {inodes[inode]: int(entry.name) for inode in _sockets(entry.name) if inode in inodes}
            if len(found) == len(inodes):
                break
    return found


def _inodes(ports: frozenset[int]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            port = int(words[1].rsplit(":", 1)[1], 16)
            if port in ports:
                found.append((port, words[9]))
    return found


def _sockets(pid: str) -> list[str]:
    found: list[str] = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            target = str(entry.readlink())
            if target.startswith("socket:["):
                found.append(target[8:-1])
    except OSError:
        return found  # it ended meanwhile, or is not ours to see
    return found


def in_words(size_bytes: float) -> str:
    """A size in the unit that says it best."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if abs(size_bytes) >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes:.0f} B"
