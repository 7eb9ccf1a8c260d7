"""The README's commands, typed as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.commands import DVM, PATIENCE_S, environment
from tests.support.relays import local_relay

ROOT = Path(__file__).parents[2]
MARK = "<!-- tests/e2e/test_readme.py runs this block -->"
STOP = "\nkill -TERM %1 && wait %1\n"


def blocks() -> list[tuple[bool, str]]:
    """Every shell block of the README, and whether it is marked for this test."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return [(mark == MARK, body) for mark, body in re.findall(rf"({re.escape(MARK)})?\n```sh\n(.*?)```", text, re.S)]


def test_the_commands_for_one_machine_work_as_they_stand(tmp_path: Path) -> None:
    (script,) = [body for marked, body in blocks() if marked]
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("node_modules"))
    env = environment(PATH=f"{DVM.parent}:{environment()['PATH']}")
    with local_relay() as url:
        assert "ws://127.0.0.1:7777" in script
        run = subprocess.run(
            ["bash", "-e", "-m", "-c", script.replace("ws://127.0.0.1:7777", url) + STOP],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "verified: output, exit and fuel are equal" in run.stdout
    assert json.loads((tmp_path / "answer.json").read_bytes())["status"] == "result"
    assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG")
    assert "done" in run.stdout


def test_every_command_in_the_readme_exists() -> None:
    named = {name for _, body in blocks() for name in re.findall(r"\bdvm (?!dvm)([a-z]+) ", body)}
    assert {"init", "run", "submit", "verify", "jobs", "status"} <= named
    for name in sorted(named):
        told = subprocess.run([DVM, name, "--help"], capture_output=True, text=True, check=True, env=environment())
        assert "exit codes:" in told.stdout
        assert "example" in told.stdout
