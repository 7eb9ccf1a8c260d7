"""The golden runs on this machine: in the real sandbox, and as the emulated machine does them."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import __main__ as golden
from tests.golden import aarch64, cases

KNOWN = cases.load()
EXPECTED = {name: expected for name, (_case, expected) in KNOWN.items()}


@pytest.fixture(scope="module")
def results() -> golden.Results:
    return asyncio.run(golden.walled([case for case, _expected in KNOWN.values()]))


@pytest.mark.parametrize("name", KNOWN)
def test_as_written(results: golden.Results, name: str) -> None:
    assert results[name] == EXPECTED[name]


def test_as_written_without_the_walls() -> None:
    """What `make test-aarch64` does, on this machine; in a process of its own, as it counts open files."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.golden", "bare"], cwd=cases.ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_difference_is_seen() -> None:
    name = next(iter(EXPECTED))
    off = {name: EXPECTED[name] | {"fuel": EXPECTED[name]["fuel"] + 1}}
    assert len(golden.differences(EXPECTED, off)) == 1
    assert golden.differences({name: {}}, off) == [f"{name}: nothing is written down"]


def test_every_program_is_run_and_comes_to_an_end_of_its_own() -> None:
    programs = {path.stem for path in (cases.HERE / "programs").glob("*.wat")}
    used = [case for case, _expected in KNOWN.values() if case.program in programs]
    assert {case.program for case in used} == programs
    for case in used:
        assert (EXPECTED[case.name]["outcome"], EXPECTED[case.name]["exit"]) == ("finished", 0), case.name
        assert EXPECTED[case.name]["bytes"] > 0


def test_what_cannot_be_had_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aarch64, "PLACE", tmp_path / "place")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert aarch64.main() == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "skipped: apt-get is missing" in line


def test_an_emulator_that_is_not_ready_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a failed attempt left behind is not taken for the whole."""
    place = tmp_path / "place"
    (place / "site").mkdir(parents=True)
    monkeypatch.setattr(aarch64, "PLACE", place)
    monkeypatch.setattr(aarch64, "debian_packages", lambda: None)
    monkeypatch.setattr(aarch64, "wheels", lambda: None)
    aarch64.prepare()
    assert [path.name for path in place.iterdir()] == ["ready"]
    (place / "kept").touch()
    aarch64.prepare()
    assert (place / "kept").exists()
