"""Run a command on a terminal of its own, as a person would, and read what the screen got."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.commands import PATIENCE_S


def on_terminal(
    words: Sequence[str | Path], env: dict[str, str], *, typed: Sequence[tuple[str, str]] = (), columns: int = 100
) -> tuple[int, str]:
    """Exit code, and everything that was written. Each of `typed` is typed when its first part has appeared."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    os.close(theirs)
    seen, left, end = b"", list(typed), time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(ours, 65_536)
            except OSError:  # EIO: the other side is closed
                break
            if not data:
                break
            seen += data
            if left and left[0][0].encode() in seen:
                os.write(ours, left.pop(0)[1].encode())
        return process.wait(10), seen.decode()
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()
