"""Real relays on loopback, of two different makes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nostr_sdk
import pytest

ROOT = Path(__file__).parents[2]
START_S = 30.0


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def local_relay(port: int = 0) -> Iterator[str]:
    """nostr-sdk's LocalRelay (Rust), in this process; it needs no event loop of ours once it runs. Its URL."""

    async def start() -> nostr_sdk.LocalRelay:
        limit = nostr_sdk.RateLimit(max_reqs=100_000, notes_per_minute=10_000_000)
        relay = nostr_sdk.LocalRelayBuilder().addr("127.0.0.1").port(port).rate_limit(limit).build()
        await relay.run()
        return relay

    port = port or free_port()
    relay = asyncio.run(start())
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        relay.shutdown()


def relay_venv() -> Path:
    """The virtual environment of nostr-relay; skips the test, saying why, when there is none."""
    path = Path(os.environ.get("NOSTR_RELAY_VENV") or ROOT / ".venv-relay")
    if not (path / "bin" / "nostr-relay").exists():
        pytest.skip(f"nostr-relay is not installed in {path}; `make integration` installs it")
    return path


@contextmanager
def python_relay(folder: Path) -> Iterator[str]:
    """nostr-relay (Python, SQLAlchemy, another code base) as a child process with its files in `folder`. Its URL.

    It takes 4,096 characters of content by default, and sleeps for seconds after each event it rejects.
    """
    program, port = relay_venv() / "bin" / "nostr-relay", free_port()
    folder.mkdir(exist_ok=True)
    config = folder / "relay.yaml"
    config.write_text(
        f"""\
relay_name: a relay for tests
storage:
  sqlalchemy.url: "sqlite+aiosqlite:///{folder}/relay.sqlite3"
  num_concurrent_reqs: 10
  num_concurrent_adds: 2
  validators:
    - nostr_relay.validators.is_not_too_large
    - nostr_relay.validators.is_signed
    - nostr_relay.validators.is_recent
verification: {{nip05_verification: disabled}}
gunicorn: {{bind: "127.0.0.1:{port}", workers: 1, loglevel: warning}}
max_event_size: 1000000
subscription_limit: 64
""",
        encoding="utf-8",
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", config, "serve"], cwd=folder, stdout=log, stderr=log)
        try:
            _wait_for(f"http://127.0.0.1:{port}/", process, folder / "log")
            yield f"ws://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the relay gives its information document (NIP-11)."""
    request = urllib.request.Request(url, headers={"Accept": "application/nostr+json"})
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"nostr-relay does not start: {log.read_text()[-2000:]}")
