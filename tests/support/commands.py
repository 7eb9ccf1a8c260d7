"""The installed `dvm` command as child processes: one-shot commands, and nodes that run for a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DVM = Path(sys.executable).with_name("dvm")
PATIENCE_S = 40.0


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would change how `dvm` finds its home or how it writes; and with asyncio's debug mode off."""
    left_out = ("DVM_HOME", "STATE_DIRECTORY", "NO_COLOR", "PYTHONASYNCIODEBUG")
    return {k: v for k, v in os.environ.items() if k not in left_out} | more


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: bytes
    err: str


def dvm(*words: str | Path, stdin: bytes = b"", code: int | None = 0, env: dict[str, str] | None = None) -> Done:
    """Run one command to its end; unless `code` is None, that must be its exit code."""
    assert DVM.exists(), f"{DVM} is missing: these tests need the installed command (make e2e)"
    run = subprocess.run(
        [DVM, *words], input=stdin, capture_output=True, timeout=PATIENCE_S, check=False, env=env or environment()
    )
    done = Done(run.returncode, run.stdout, run.stderr.decode())
    assert code is None or done.code == code, done
    return done


def new_home(path: Path, *relays: str, **settings: object) -> Path:
    """A home for a node that uses these relays of this machine; `settings` are keys of its configuration."""
    relay_words = (word for relay in relays for word in ("--relay", relay))
    dvm("init", "--home", path, *relay_words, "--local", "--lowest-tier", "D", "--yes")
    config = path / "config.toml"
    lines = config.read_text().splitlines()
    for name, value in settings.items():
        at = next(i for i, line in enumerate(lines) if line.startswith((f"# {name} =", f"{name} =")))
        lines[at] = f"{name} = {value}"
    config.write_text("\n".join(lines) + "\n")
    return path


class RunningNode:
    """`dvm run` in a home. `start` returns when it is ready; its log is collected over all its lives."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home.with_name(home.name + ".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        before = self.log.read_bytes().count(b" ready ") if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([DVM, "run", "--home", self.home], stderr=log, env=environment())
        self.wait_for_log(" ready ", before + 1)

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Until the log has these words so often."""
        end = time.monotonic() + PATIENCE_S
        while self.log.read_text().count(text) < times:
            assert self.process is not None
            assert self.process.poll() is None, f"the node ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"no {text!r} in: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)

    def signal(self, which: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(which)

    def wait(self) -> int:
        """Until it has ended; its exit code, negative for a signal."""
        assert self.process is not None
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def stop(self) -> None:
        """SIGTERM, and a clean end."""
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, self.log.read_text()[-2000:]


@contextmanager
def running(home: Path) -> Iterator[RunningNode]:
    """A node while the block lasts, stopped with SIGTERM unless the block did."""
    node = RunningNode(home)
    node.start()
    try:
        yield node
        if node.process is not None:
            node.stop()
    finally:
        if node.process is not None:
            node.process.kill()
            node.process.wait()


def processes_with(text: str) -> list[str]:
    """Command lines of running processes that contain the text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found
