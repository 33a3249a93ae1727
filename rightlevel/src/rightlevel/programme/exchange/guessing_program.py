"""Guesses the encoding of some bytes, in a process of its own: a sample comes in, JSON goes out, and the memory goes with the process.

Nothing of the platform is loaded here. Answers with the encodings that may be, the likeliest first, as [name, confidence].
"""

from __future__ import annotations

import json
import sys

import chardet


def main() -> None:
    """Reads the sample from standard input."""
    sample = sys.stdin.buffer.read()
    found = chardet.detect_all(sample, ignore_threshold=True)
    guesses = [[each["encoding"], each["confidence"]] for each in found if each["encoding"]]
    sys.stdout.write(json.dumps(guesses))


if __name__ == "__main__":
    main()
