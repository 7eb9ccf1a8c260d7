"""One component on its way to the cache: hashed while it is written, named only if the digest is right.

Counterpart of `cache.py`. Blocking: every method is called off the event loop.
"""

from __future__ import annotations

import hashlib
import os
import threading
from io import FileIO
from pathlib import Path

from dvm.components.cache import Cache


class Download:
    """Write, then `finish`; `discard` in any case. Nothing touches the disk before the first of these.

    A call that was abandoned by its caller may still be running in its thread when `discard` comes: the lock
    makes `discard` wait for it, so no file is closed under a write.
    """

    def __init__(self, cache: Cache, digest: str) -> None:
        self._cache = cache
        self._digest = digest
        self._hash = hashlib.sha256()
        self._size = 0
        self._lock = threading.Lock()
        self._part: tuple[Path, FileIO] | None = None
        self._over = False

    def write(self, data: bytes) -> None:
        """Append. Raises OSError, also after `discard`."""
        with self._lock:
            file = self._file()
            self._hash.update(data)
            self._size += len(data)
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def finish(self) -> bool:
        """Whether the bytes have the digest; if so they are durably in the cache now. Raises OSError."""
        with self._lock:
            file = self._file()
            if self._hash.hexdigest() != self._digest:
                return False
            os.fsync(file.fileno())
            file.close()
            part, self._part, self._over = self._part, None, True
            if part is not None:
                self._cache.adopt(self._digest, part[0], self._size)
            return True

    def discard(self) -> None:
        """Remove what was written and not adopted. Harmless when called twice."""
        with self._lock:
            self._over = True
            part, self._part = self._part, None
            if part is not None:
                part[1].close()
                part[0].unlink(missing_ok=True)

    def _file(self) -> FileIO:
        if self._over:
            raise OSError("this download is over")
        if self._part is None:
            self._part = self._cache.create_part(self._digest)
        return self._part[1]
