"""Anonymous files in memory, sealed so that what was checked is what is used. Source: memfd_create(2), fcntl(2)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def create(name: str) -> int:
    """An empty file that can be sealed. The descriptor is the caller's to close."""
    return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def seal(fd: int) -> None:
    """From now on nobody can change the content; raises OSError (EBUSY) while somebody maps it writable."""
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """write(2) until everything is written."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sealed(name: str, chunks: Iterable[bytes]) -> int:
    """A sealed file of these chunks. The descriptor is the caller's to close."""
    fd = create(name)
    try:
        for chunk in chunks:
            write_all(fd, chunk)
        seal(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def content(fd: int) -> bytes:
    """All of it, whatever the position."""
    size = os.fstat(fd).st_size
    chunks, at = [], 0
    while at < size and (chunk := os.pread(fd, size - at, at)):
        chunks.append(chunk)
        at += len(chunk)
    return b"".join(chunks)
