"""This machine: whether the server runs on it, and how much memory it has."""

from __future__ import annotations

from pathlib import Path


def is_on_this_machine(host: str, server_address: str, backend_pid: int) -> bool:
    """Whether the server's processes are in this machine's /proc: near by address, and its process is there by name."""
    is_near = host.startswith(("/", "@")) or server_address in {"127.0.0.1", "::1"}
    if not is_near:
        return False
    try:
        return b"postgres" in Path(f"/proc/{backend_pid}/cmdline").read_bytes()
    except OSError:
        return False


def machine_memory_bytes() -> int | None:
    """The memory this machine or container may use, or None where nothing tells. *Units*: bytes."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            said = Path(limit).read_text("ascii").strip()
        except OSError:
            continue
        if said.isdigit():
            found.append(int(said))
    return min(found, default=None)
