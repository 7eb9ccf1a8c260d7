"""What happened in a run, line by line: kept only when somebody wants to read it, digested always."""

from __future__ import annotations

import asyncio
from hashlib import sha256

WIDTH = 220


class Trace:
    """Two runs of one seed are the same run exactly when their digests are equal."""

    def __init__(self, *, echo: bool = False) -> None:
        self._digest = sha256()
        self._echo = echo

    def say(self, who: str, what: str) -> None:
        """Note one step; the digest takes all of it, the screen one line."""
        line = f"{asyncio.get_running_loop().time():12.6f}  {who:<10} {what}"
        self._digest.update(line.encode() + b"\n")
        if self._echo:
            print(line if len(line) <= WIDTH else line[: WIDTH - 3] + "...")

    def digest(self) -> str:
        return self._digest.hexdigest()
