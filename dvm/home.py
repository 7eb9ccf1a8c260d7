"""The folder that is a node: its configuration, key, database, caches, and the lock that keeps a second node out.

A second node on one machine differs in nothing but its home.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dvm.systemd import credential
from relayclient.keys import SecretKey

KEY_CREDENTIAL = "dvm-key"
"""Name of the systemd credential that, when given, takes the place of the key file."""


class HomeError(Exception):
    """The folder cannot be used as a node's home; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths inside one home; `path` may not exist yet."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def key(self) -> Path:
        return self.path / "key.nsec"

    @property
    def database(self) -> Path:
        return self.path / "dvm.sqlite3"

    @property
    def components(self) -> Path:
        return self.path / "components"

    @property
    def sandbox(self) -> Path:
        return self.path / "compiled"

    @property
    def socket(self) -> Path:
        return self.path / "control.sock"

    def create(self) -> None:
        """Make the folder, for its owner alone."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_key(self, key: SecretKey) -> None:
        """Store a key, mode 0600; raises FileExistsError rather than replacing one."""
        fd = os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(key.nsec() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read_key(self) -> SecretKey:
        """The node's key: from a systemd credential if there is one, else from the key file. Raises HomeError."""
        text = credential(KEY_CREDENTIAL)
        try:
            if text is None and self.key.stat().st_mode & 0o077:
                raise HomeError(f"others may read {self.key}; `chmod 600 {self.key}`, if nobody has")
            return SecretKey.from_nsec(text or self.key.read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            raise HomeError(f"there is no key in {self.path}; `dvm init --home {self.path}` makes one") from None
        except (OSError, ValueError) as error:
            raise HomeError(f"the key in {self.path} cannot be used: {error}") from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for this process alone; raises HomeError when another one has it."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise HomeError(f"{self.path} is no usable home ({error.strerror}); `dvm init` makes one") from None
        try:
            _take(fd, self.path)
            yield
        finally:
            os.close(fd)  # and with it goes the lock


def _take(fd: int, home: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HomeError(f"a node is already running in {home}") from None


def new_key() -> SecretKey:
    """A fresh key from the system's randomness."""
    return SecretKey.generate(secrets.token_bytes)
