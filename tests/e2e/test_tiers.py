"""A machine that gives the sandbox too little: no node starts there; it says why, and `dvm doctor` says what to do.

The machine is this one behind a filter that refuses namespaces, as the default profile of many containers does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import DVM, PATIENCE_S, Done, environment, new_home

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_NAMESPACES = """
import json, os, struct, sys
sys.path[:0] = json.loads(sys.argv[1])
from errno import EPERM
from dvm.sandbox import kernel, seccomp
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
number = kernel.SYSCALLS[kernel.MACHINE]["unshare"]
ops = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | EPERM), (0x06, 0, 0, 0x7FFF0000)]
seccomp.install(b"".join(struct.pack("<HBBI", *op) for op in ops))
os.execv(sys.argv[2], sys.argv[2:])
"""


def in_a_container(*words: str | Path) -> Done:
    command = [sys.executable, "-c", WITHOUT_NAMESPACES, json.dumps([str(ROOT)]), DVM, *words]
    run = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False, env=environment())
    return Done(run.returncode, run.stdout, run.stderr.decode())


def checks(home: Path) -> dict[str, dict[str, object]]:
    return {
        check["name"]: check for check in json.loads(in_a_container("doctor", "--home", home, "--json").out)["checks"]
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiers")


def test_the_node_does_not_start_below_its_lowest_tier(folder: Path) -> None:
    home = new_home(folder / "strict", "ws://127.0.0.1:9", lowest_tier='"C"')
    done = in_a_container("run", "--home", home)
    assert done.code == 78
    sentence = done.err.strip().splitlines()[-1]
    assert sentence.startswith("dvm: ")
    assert "by tier D only, and sandbox.lowest_tier is C" in sentence
    assert "Traceback" not in done.err


def test_doctor_says_what_would_lift_it(folder: Path) -> None:
    found = checks(new_home(folder / "asking", "ws://127.0.0.1:9", lowest_tier='"C"'))
    assert not found["tier"]["good"]
    assert str(found["tier"]["detail"]).startswith("D (A is best)")
    assert "user.max_user_namespaces" in str(found["higher tier"]["detail"])


def test_an_operator_can_lower_the_bar(folder: Path) -> None:
    found = checks(new_home(folder / "lenient", "ws://127.0.0.1:9", lowest_tier='"D"'))
    assert found["tier"]["good"]
    assert found["sandbox"]["good"]


def test_doctor_names_the_form_of_the_engine(folder: Path) -> None:
    found = checks(new_home(folder / "pulley", "ws://127.0.0.1:9", engine='"pulley"'))
    assert str(found["engine"]["detail"]).startswith("wasmtime/50.0.1+pulley; no advisory")
