"""What systemd gives and wants: notifications (sd_notify(3)) and credentials (systemd.exec(5)); read here alone."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def notify(*lines: str) -> None:
    """Tell systemd `READY=1`, `STATUS=...` and the like; without systemd this does nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(address)
        channel.sendall("\n".join(lines).encode())


def watchdog_interval_s() -> float | None:
    """How often to say `WATCHDOG=1`: half of what the unit allows; None when nobody watches this process."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2e6


def credential(name: str) -> str | None:
    """A secret that the unit hands over with LoadCredential=; None when there is none of that name."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    file = Path(folder, name)
    return file.read_text(encoding="utf-8").strip() if folder and file.is_file() else None
