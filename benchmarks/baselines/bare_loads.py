"""Parses each line of stdin, and does nothing with it: the least that any Python program has to do."""

from __future__ import annotations

import sys

import orjson


def main() -> None:
    """Print how many lines there were."""
    lines = 0
    for line in sys.stdin.buffer:
        orjson.loads(line)
        lines += 1
    print(lines)


if __name__ == "__main__":
    main()
