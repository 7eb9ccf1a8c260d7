"""Components on disk, named by their digest: only whole files whose bytes have that digest carry such a name.

A file is written under another name, flushed, checked, and then renamed: a crash leaves rubbish that the next
start removes, never half a component under a full name. A file that changed afterwards is found out and
deleted before its path is given out. Symbolic links are never followed. Everything here may block; only
`recognise` is meant for the event loop. Its counterpart `download.py` does the writing.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import stat
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

logger = logging.getLogger(__name__)

SETTLED_NS = 100_000_000
"""Two changes within one tick of the kernel's clock (10 ms at most) leave the same times on a file, so a file
that was changed less than this before it was hashed is not recognised later, but hashed again."""

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WHOLE = re.compile(r"([0-9a-f]{64})\.wasm")
_PART = re.compile(r"[0-9a-f]{64}\.[0-9]+\.part")


@dataclass(frozen=True, slots=True)
class Identity:
    """What the kernel says of a file. Every write by ordinary means changes the last of these."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(slots=True)
class _Entry:
    size: int
    verified: Identity | None = None
    """The file as it was when its bytes were hashed and found right."""
    used: bool = False
    """Whether this process has marked the file as used."""


class Cache:
    """A directory of components, at most `max_bytes` in all; the least recently used make room.

    A path that was given out stays valid until as many other components have been used as fill the cache.
    `now_ns` is the wall clock by which the kernel stamps files. Safe to use from several threads, and to
    share a directory with another process. The constructor makes the directory (mode 0700), removes what
    crashes left and takes stock; it raises OSError.
    """

    def __init__(self, directory: Path, *, max_bytes: int, now_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._now_ns = now_ns
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._presence = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        weakref.finalize(self, os.close, self._presence)
        self._take_stock()

    def path(self, digest: str) -> Path:
        """Where the component is, if it is there."""
        return self._directory / f"{digest}.wasm"

    def recognise(self, digest: str) -> int | None:
        """The size, if the file has not changed since it was verified, else None. Reads no content."""
        if not self._lock.acquire(blocking=False):
            return None  # somebody is deleting or renaming, which can take long on a slow disk
        try:
            entry = self._entries.get(digest)
            if entry is None or entry.verified is None or self._identity(digest) != entry.verified:
                return None
            self._entries.move_to_end(digest)
            return entry.size
        finally:
            self._lock.release()

    def verify(self, digest: str) -> int | None:
        """The size, after hashing the bytes. A file with other bytes is deleted: None."""
        try:
            with open(self.path(digest), "rb", buffering=0, opener=no_follow) as file:
                self._mark_used(digest, file.fileno())
                begun_ns = self._now_ns()
                identity = Identity.of(os.fstat(file.fileno()))
                intact = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            with self._lock:
                self._entries.pop(digest, None)
            return None
        except OSError as error:  # a link, a directory, a bad spot on the disk
            logger.warning("A cached component cannot be read: %s.", error.strerror)
            self._drop(digest)
            return None
        if not intact:
            self._drop(digest)
            return None
        with self._lock:
            if self._identity(digest) != identity:
                return None
            settled = begun_ns - identity.changed_ns >= SETTLED_NS
            self._entries[digest] = _Entry(identity.size, identity if settled else None, used=True)
            self._entries.move_to_end(digest)
        return identity.size

    def create_part(self, digest: str) -> tuple[Path, FileIO]:
        """A new file, mode 0600, to write a component to, and its path. Raises OSError."""
        for serial in range(10_000):
            path = self._directory / f"{digest}.{serial}.part"
            with contextlib.suppress(FileExistsError):
                return path, open(path, "xb", buffering=0, opener=no_follow)
        raise FileExistsError(f"too many unfinished files for {digest}")

    def adopt(self, digest: str, part: Path, size: int) -> None:
        """Name a file that was checked and flushed, durably, after making room for it. Raises OSError."""
        with self._lock:
            self._make_room(size)
            os.replace(part, self.path(digest))
            self._entries[digest] = _Entry(size, used=True)
            self._entries.move_to_end(digest)
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def total_bytes(self) -> int:
        """The size of all components together."""
        with self._lock:
            return sum(entry.size for entry in self._entries.values())

    # Private

    def _take_stock(self) -> None:
        alone = self._alone()
        found: list[tuple[int, str, int]] = []
        with os.scandir(self._directory) as files:
            for file in files:
                status = file.stat(follow_symlinks=False)
                whole = _WHOLE.fullmatch(file.name)
                if whole and stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime_ns, whole[1], status.st_size))
                elif whole or (alone and _PART.fullmatch(file.name)):
                    with contextlib.suppress(OSError):
                        os.unlink(file.path)
        for _, digest, size in sorted(found):
            self._entries[digest] = _Entry(size)
        with self._lock:
            self._make_room(0)

    def _alone(self) -> bool:
        """Whether no other process uses this directory, so that unfinished files are left from crashes."""
        try:
            fcntl.flock(self._presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except OSError:
            alone = False
        with contextlib.suppress(OSError):
            fcntl.flock(self._presence, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return alone

    def _mark_used(self, digest: str, descriptor: int) -> None:
        """Stamp the file once in the life of the process: the order of last use survives restarts."""
        with self._lock:
            entry = self._entries.get(digest)
        if entry is None or not entry.used:
            os.utime(descriptor)

    def _identity(self, digest: str) -> Identity | None:
        try:
            return Identity.of(os.stat(self.path(digest), follow_symlinks=False))
        except OSError:
            return None

    def _drop(self, digest: str) -> None:
        logger.warning(
            "The cached component %s was altered; it is deleted.",
            digest[:8],
            extra={"action": "component_altered", "component": digest},
        )
        with self._lock:
            self._remove(digest)

    def _make_room(self, size: int) -> None:
        """Delete the least recently used until `size` more bytes fit. Called with the lock held."""
        total = sum(entry.size for entry in self._entries.values())
        while self._entries and total + size > self._max_bytes:
            digest, entry = next(iter(self._entries.items()))
            total -= entry.size
            self._remove(digest)

    def _remove(self, digest: str) -> None:
        self._entries.pop(digest, None)
        with contextlib.suppress(OSError):
            self.path(digest).unlink()


def no_follow(path: str, flags: int) -> int:
    """Opener for `open`: never through a symbolic link, never waiting for a pipe, private when new."""
    return os.open(path, flags | _FLAGS, 0o600)
