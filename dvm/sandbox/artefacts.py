"""Compiled components on disk. They are native code, and the engine believes them: a file is used only under our MAC.

Each file is named by the component's digest and by everything else its content depends on (engine, settings,
processor). It is written aside, synced and renamed, so it exists whole or not at all, whoever else writes the same one.
Loading copies it into a sealed file in memory and checks the MAC over *that*: what was checked is what is run. A file
that fails is deleted, and the component compiled again. All functions block; the daemon calls them in a thread.
"""

from __future__ import annotations

import hmac
import json
import mmap
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from dvm.sandbox import memfd
from dvm.sandbox.shape import Shape

_KEY_BYTES = 32
_MAC_BYTES = 32
_LENGTH_BYTES = 4
_LARGEST_HEADER = 4096
_SUFFIX = ".artefact"
_COPY_BYTES = 1 << 20
_LEFT_OVER_AFTER_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What has to be known of a compiled component to run it."""

    run: str
    """The export to call."""
    tables: int
    fixed_table_elements: int
    largest_fixed_table: int
    growable_tables: int

    @property
    def shape(self) -> Shape:
        return Shape(
            tables=self.tables,
            fixed_table_elements=self.fixed_table_elements,
            largest_fixed_table=self.largest_fixed_table,
            growable_tables=self.growable_tables,
        )


@dataclass(frozen=True, slots=True)
class Artefact:
    """A compiled component in a sealed file in memory. Whoever holds it closes it."""

    fd: int
    size: int
    about: About

    def copy(self) -> Artefact:
        """The same file by another descriptor."""
        return Artefact(os.dup(self.fd), self.size, self.about)

    def close(self) -> None:
        os.close(self.fd)


def _fsync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _load_key(path: Path, entropy: Callable[[int], bytes]) -> bytes:
    """The MAC key, made on first use. Two processes that make it at once end up with the same one."""
    while not path.exists():
        aside = path.with_name(f"{path.name}.{entropy(8).hex()}")
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, entropy(_KEY_BYTES))
            os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.link(aside, path)
        except FileExistsError:
            pass  # the other's key stands
        finally:
            aside.unlink()
        _fsync_directory(path.parent)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"{path}: {len(key)} bytes long instead of {_KEY_BYTES}; delete it to have a new one made")
    return key


class ArtefactStore:
    """The folder. `fingerprint` names all that compiled code depends on beside the component."""

    def __init__(
        self,
        folder: Path,
        fingerprint: str,
        *,
        most_bytes: int,
        entropy: Callable[[int], bytes] = os.urandom,
        now: Callable[[], float] = time.time,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self._fingerprint = sha256(fingerprint.encode()).digest()
        self._most_bytes = most_bytes
        self._entropy = entropy
        self._key = _load_key(folder / "key", entropy)
        self._remove_left_overs(now())

    def _remove_left_overs(self, now: float) -> None:
        """What a crash left half written. Younger files may be another process's work."""
        for path in self._folder.glob("*.part"):
            try:
                if path.stat().st_mtime < now - _LEFT_OVER_AFTER_S:
                    path.unlink()
            except FileNotFoundError:
                continue

    def path(self, digest: str) -> Path:
        """Where the compiled form of the component with this sha256 is, or would be."""
        return self._folder / (sha256(self._fingerprint + bytes.fromhex(digest)).hexdigest() + _SUFFIX)

    def load(self, digest: str) -> Artefact | None:
        """The compiled component, checked; None when there is none or what there is cannot be trusted."""
        path = self.path(digest)
        try:
            with open(path, "rb", buffering=0) as file:
                mac = file.read(_MAC_BYTES)
                length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
                header = file.read(length) if length <= _LARGEST_HEADER else b""
                fd = memfd.sealed("artefact", iter(lambda: file.read(_COPY_BYTES), b""))
        except FileNotFoundError:
            return None
        size = os.fstat(fd).st_size
        if size and hmac.compare_digest(mac, self._mac(path.name, header, fd, size)):
            os.utime(path)
            return Artefact(fd, size, About(**json.loads(header)))
        os.close(fd)
        path.unlink(missing_ok=True)
        return None

    def save(self, digest: str, artefact: Artefact) -> None:
        """Keep it; makes room by deleting what was not used for longest. Raises OSError (a full disk)."""
        path = self.path(digest)
        header = json.dumps(asdict(artefact.about), separators=(",", ":")).encode()
        aside = path.with_name(f"{path.name}.{self._entropy(8).hex()}.part")
        try:
            with open(aside, "xb", buffering=0) as file:
                os.chmod(aside, 0o600)
                file.write(self._mac(path.name, header, artefact.fd, artefact.size))
                file.write(len(header).to_bytes(_LENGTH_BYTES, "little") + header)
                at = 0
                while at < artefact.size:
                    at += os.sendfile(file.fileno(), artefact.fd, at, artefact.size - at)
                os.fsync(file.fileno())
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)
        _fsync_directory(self._folder)
        self._make_room(path)

    def _mac(self, name: str, header: bytes, fd: int, size: int) -> bytes:
        mac = hmac.new(self._key, name.encode() + len(header).to_bytes(_LENGTH_BYTES, "little") + header, "sha256")
        with mmap.mmap(fd, size, mmap.MAP_PRIVATE, mmap.PROT_READ) as content:
            mac.update(content)
        return mac.digest()

    def _make_room(self, keep: Path) -> None:
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                found.append((path.stat(), path))
            except FileNotFoundError:
                continue  # another process made room at the same time
        total = sum(stat.st_size for stat, _path in found)
        for stat, path in sorted(found, key=lambda item: item[0].st_mtime_ns):
            if total <= self._most_bytes:
                return
            if path != keep:
                path.unlink(missing_ok=True)
                total -= stat.st_size
