"""What importing the library costs: values and keys must not load what only sockets or other people's code need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("requests", "tornado", "typer", "rich", "cryptography", "asyncio", "websockets")


def test_keys_load_neither_an_http_client_nor_an_event_loop() -> None:
    code = f"import sys, relayclient.keys; print([m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_session_loads_neither_sockets_nor_an_event_loop() -> None:
    code = f"import sys, relayclient.protocol; print([m for m in ('socket', *{HEAVY!r}) if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
