"""Finds the browser that the journeys drive, and on a Debian machine where we are root installs it.

Run by `make browser`: prints where it is, or one sentence saying what to do, with exit code 1.
"""

# ruff: noqa: T201  it talks to whoever runs make
from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-khmeros", "libpangoft2-1.0-0")
"""A browser, letters for Khmer, and what PDF is set with."""
INSTALL_S = 900
ADVICE = (
    "The browser tests need Chromium, which isn't on PATH. Install it (on Debian, as root: "
    f"apt-get install {' '.join(PACKAGES)}), or leave them out: pytest -m 'not browser'."
)


def browser_path() -> str | None:
    """Where Chromium (or Chrome) is, or None."""
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)


def may_install() -> bool:
    """Whether this machine lets us install packages."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install() -> str | None:
    """Installs Chromium and a Khmer font with apt; what went wrong in its own words, or None."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for text, command in (
        ("looking up packages", ("apt-get", "-qq", "update")),
        (
            "installing Chromium and a Khmer font (about 100 MB)",
            ("apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES),
        ),
    ):
        print(f"browser: {text}", flush=True)
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False
        )
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
    return None


def main() -> int:
    """The exit code: 0 when there is a browser."""
    path = browser_path()
    if path is None and may_install():
        problem = install()
        path = browser_path()
        if path is None and problem:
            print(f"browser: apt-get failed: {problem}", file=sys.stderr)
    if path is None:
        print(ADVICE, file=sys.stderr)
        return 1
    print(f"browser: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
