"""What a machine that cannot carry the project is told."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "check_python.py"


@pytest.fixture(scope="module")
def check_python() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_python", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_fit_machine_is_told_nothing(check_python: ModuleType, version: tuple[int, int], machine: str) -> None:
    assert check_python.refusal(version, 64, machine, True) is None


@pytest.mark.parametrize(
    ("version", "bits", "machine", "has_venv", "says"),
    [
        ((3, 11), 32, "armv7l", True, "64-bit"),
        ((3, 11), 32, "aarch64", True, "64-bit"),  # a 32-bit system under a 64-bit kernel
        ((3, 11), 64, "riscv64", True, "x86-64 or arm64"),
        ((3, 10), 64, "x86_64", True, "this is Python 3.10"),
        ((3, 14), 64, "x86_64", True, "this is Python 3.14"),
        ((2, 7), 64, "x86_64", True, "this is Python 2.7"),
        ((3, 13), 64, "aarch64", False, "apt install python3-venv"),
    ],
)
def test_an_unfit_machine_is_told_why_in_one_sentence(
    check_python: ModuleType, version: tuple[int, int], bits: int, machine: str, has_venv: bool, says: str
) -> None:
    sentence = check_python.refusal(version, bits, machine, has_venv)
    assert says in sentence
    assert "\n" not in sentence
