"""`dvm demo`: it works, it tells the truth, and it leaves nothing behind however it ends."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import DVM, PATIENCE_S, dvm, environment, processes_with


def nothing_is_left(folder: Path) -> bool:
    """No file, and within a moment no process, of the demo that used this folder for its temporary files."""
    end = time.monotonic() + 10
    while processes_with(str(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    return not processes_with(str(folder)) and list(folder.iterdir()) == []


@pytest.mark.parametrize("example", ["thumbnail", "markdown"])
def test_one_job_from_event_to_verified_result(example: str, tmp_path: Path) -> None:
    done = dvm("demo", "--example", example, env=environment(TMPDIR=str(tmp_path)))
    told = done.out.decode()
    assert "verified: output, exit and fuel are equal" in told
    assert told.index("kind 5850") < told.index("accepted the request") < told.index("kind 6850")
    assert "\x1b" not in told
    assert nothing_is_left(tmp_path)


def test_a_program_can_read_it(tmp_path: Path) -> None:
    told = json.loads(dvm("demo", "--json", env=environment(TMPDIR=str(tmp_path))).out)
    assert told["verdict"] == "equal"
    assert ["e", told["request"]["id"]] in [tag[:2] for tag in told["result"]["tags"]]


def begun(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    env = environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1")
    return subprocess.Popen([DVM, "demo", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """The line with this text; the process must not end before."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"the demo ended: {process.stderr.read() if process.stderr else ''}")


@pytest.mark.parametrize("moment", ["folder", "kind 5850", "receipt", "submit"])
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_any_time_it_leaves_nothing(moment: str, which: signal.Signals, tmp_path: Path) -> None:
    with begun(tmp_path, "--stay") as process:
        if moment == "folder":
            end = time.monotonic() + PATIENCE_S
            while not list(tmp_path.glob("*/home/lock")) and time.monotonic() < end:
                time.sleep(0.01)
        else:
            read_until(process, moment)
        process.send_signal(which)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, "")
    assert nothing_is_left(tmp_path)


def test_it_stays_up_for_a_job_that_is_pasted(tmp_path: Path) -> None:
    with begun(tmp_path, "--stay") as process:
        line = read_until(process, "submit")
        pasted = subprocess.run(shlex.split(line), capture_output=True, timeout=PATIENCE_S, check=True)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    assert pasted.stdout.startswith(b"\x89PNG")
    assert nothing_is_left(tmp_path)


BROKEN = {
    "no relay library": ("import sys; sys.modules['nostr_sdk'] = None", "dvm[demo]"),
    "no example": ("import dvm.demo as d; d.EXAMPLES['thumbnail'] = ('no.wasm', 'no.png', ())", "is missing"),
    "the node does not start": (
        "import dvm.demo as d; start = d._start; "
        "d._start = lambda *w, log: start(*w, *(['--home', '/dev/null/x'] if w[0] == 'run' else []), log=log)",
        "the node stopped at once; it said: dvm: /dev/null/x",
    ),
    "a component that traps": (
        "import dvm.cli.demo as c; from pathlib import Path; from tests.support.guests import guest; "
        "p = Path('{tmp}').parent / 'trap.wasm'; p.write_bytes(guest('trap')); "
        "f = c.find_example; c.find_example = lambda n: c.Example(n, p, f(n).sample, ())",
        "trap:",
    ),
}


@pytest.mark.parametrize(("breakage", "told"), BROKEN.values(), ids=BROKEN)
def test_a_failure_is_one_sentence(breakage: str, told: str, tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    code = f"{breakage.format(tmp=folder)}\nimport sys\nfrom dvm.cli import main\nsys.exit(main(['demo']))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=Path(__file__).parents[2],
        env=environment(TMPDIR=str(folder)),
    )
    assert run.returncode == 1, run.stderr
    assert told in run.stderr
    assert run.stderr.count("\n") == 1
    assert nothing_is_left(folder)
